-- Make this standby the primary, and wait for it for at most 60 seconds; whether it is.
select pg_promote(true, 60)
