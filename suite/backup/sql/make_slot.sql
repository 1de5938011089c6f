-- Keep the log from now on.
--   $1 slot
select pg_create_physical_replication_slot($1, true)
