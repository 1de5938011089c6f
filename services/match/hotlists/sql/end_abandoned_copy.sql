-- End the session that copies into a load although its time is over: a process that was frozen in the middle of a copy would keep the
-- load's table locked, and old rows of the whole database from being cleared away.
--   $1 load
select pg_terminate_backend(pid)
from loads
join pg_locks on relation = to_regclass('entries_' || load_no) and mode = 'RowExclusiveLock'
where load_no = $1 and busy_until <= present() and pid <> pg_backend_pid()
