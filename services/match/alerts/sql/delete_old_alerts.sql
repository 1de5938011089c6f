-- Delete the oldest alerts that were raised before a moment and are over a week old, with their events. Returns how many, and how
-- many of them had no acknowledgement.
--   $1 force, $2 raised before, $3 most alerts
select deleted, lapsed from delete_old_alerts($1, $2, $3)
