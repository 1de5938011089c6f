-- The loads of a force's active hotlists.
--   $1 force, $2 name of the canary's hotlist
select load_no, entries, name = $2 as of_canary from hotlists where force = $1 order by load_no
