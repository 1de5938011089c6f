-- The number of a force's last alert or acknowledgement.
--   $1 force
select last_number from matching where force = $1
