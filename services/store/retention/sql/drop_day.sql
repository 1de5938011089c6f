-- Drop a day's partition and record the purge, as in the function; null when that is not allowed.
--   $1 force_no, $2 day, $3 last position, $4 reads, $5 image objects, $6 digest, $7 dropped_at_us
select drop_day($1, $2, $3, $4, $5, $6, $7)
