-- What keeps the log for the archive: null when there is none, else whether it still does.
--   $1 slot
select wal_status is distinct from 'lost' from pg_replication_slots where slot_name = $1
