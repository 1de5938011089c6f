-- Become the replica that runs retention for a while, unless another is; true when this one is. A replica that is frozen loses the turn by the
-- clock. So does one whose turn lasts longer than any: the clock went back since it began.
--   $1 the run that asks, $2 for how long
update retention_turn set owner = $1, expires_at = present() + $2::interval
where owner = $1 or expires_at <= present() or expires_at > present() + 2 * $2::interval
returning true
