-- Tell every replica, at the commit, that something of a force changed.
--   $1 channel, $2 force
select pg_notify($1, $2)
