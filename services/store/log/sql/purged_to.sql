-- The highest position of a force that retention has deleted.
--   $1 force_no
select purged_to from forces where force_no = $1
