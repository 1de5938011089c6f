-- The entries of active hotlists that have one of these folded keys and are not past their weed date.
--   $1 loads of the index, $2 folded keys, $3 now
select hotlist_no, name as hotlist, near_matches, folded_key, vrm, reason, priority, markers, instruction
from entries join hotlists using (load_no)
where load_no = any ($1::bigint[]) and folded_key = any ($2::bigint[]) and weed_at > $3
