-- Become the replica that runs retention for ten minutes, unless another is; true when this one is. A replica that is
-- frozen loses the turn by the clock. Two at once do no harm: the deletions themselves exclude each other.
--   $1 the run that asks
update retention_turn set owner = $1, expires_at = present() + interval '10 minutes'
where owner = $1 or expires_at <= present()
returning true
