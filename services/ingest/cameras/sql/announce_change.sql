-- Notify every replica that the registry has changed.
--   $1 channel
select pg_notify($1, '')
