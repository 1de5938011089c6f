-- End sessions of this role whose client takes no answer: a frozen process keeps the locks of its statement, and a limit on statements does not
-- end one that waits for its client. Returns how many.
--   $1 for how long a statement may last
select count(pg_terminate_backend(pid))
from pg_stat_activity
where usename = session_user and datname = current_database() and wait_event = 'ClientWrite' and query_start < clock_timestamp() - $1::interval
