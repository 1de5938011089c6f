-- The entries of active hotlists that have one of these folded keys and are not past their weed date.
--   $1 force, $2 loads of the index, $3 folded keys, $4 now
select * from find_lines($1, $2, $3, $4)
