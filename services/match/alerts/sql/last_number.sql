-- The number of a force's last event; no row when there was never one.
--   $1 force
select last_number from alert_sequences where force = $1
