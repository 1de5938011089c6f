-- Bytes of write-ahead log that a recovery would read if the server died now.
select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::bigint from pg_control_checkpoint()
