-- The loads of a force's active hotlists.
--   $1 force
select load_no, entries from hotlists where force = $1 order by load_no
