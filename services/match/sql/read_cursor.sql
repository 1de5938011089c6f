-- How far a force's log is matched, and by which generation of its hotlists new reads have to be.
--   $1 force
select position, generation from matching where force = $1
