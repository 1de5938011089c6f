-- Tell the other replicas which logs have grown.
--   $1 sender and heads, as in `Notice`
select pg_notify('gantry_store_appended', $1)
