-- Whether the server only follows another one.
--   no parameters
select pg_is_in_recovery()
