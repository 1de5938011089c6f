-- Stay the replica that runs retention, if it still is this one.
--   $1 the run that has the turn, $2 for how long
update retention_turn set expires_at = present() + $2::interval where owner = $1
