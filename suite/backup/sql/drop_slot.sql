-- Keep the log no longer.
--   $1 slot
select pg_drop_replication_slot($1)
