-- The first late reads captured before a time, by position, with when they were received, as in the function.
--   $1 force_no, $2 captured before, $3 most rows
select read_position as position, received_at as received_at_us from late_reads($1, $2, $3)
