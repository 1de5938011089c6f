-- Notify the other replicas of logs that have grown.
--   $1 sender and heads, as in `Notice`
select pg_notify('gantry_store_appended', $1)
