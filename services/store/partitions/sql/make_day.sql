-- Make the partition of a force's day; false when reads of that day went to `older` already.
--   $1 force_no, $2 day
select make_day($1, $2)
