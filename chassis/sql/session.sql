-- The number of the process that serves this session.
--   no parameters
select pg_backend_pid()
