-- While a drop waits for its lock, look-ups queue behind it: better to give up soon and try again later.
alter function drop_load(bigint) set lock_timeout = '50ms';
