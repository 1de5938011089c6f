-- Write a commit with its time to the log, and return that time: recovery to a time stops at commits only.
select pg_current_xact_id() is not null as written, clock_timestamp() as at
