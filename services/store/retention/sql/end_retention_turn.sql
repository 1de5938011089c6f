-- End a turn before its time.
--   $1 the run that has it
update retention_turn set expires_at = present() where owner = $1
