-- The state of a force's log.
--   $1 force_no
select head, reads_stored from forces where force_no = $1
