-- Appends after a position that may hold reads of a range of times of capture, oldest first.
--   $1 force_no, $2 position, $3 captured from, $4 captured before, $5 up to this position, $6 most rows
select first_position, last_position
from appends
where force_no = $1 and last_position > $2 and captured_from_us < $4 and captured_to_us >= $3 and first_position <= $5
order by last_position
limit $6
