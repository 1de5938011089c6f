-- Times of capture in the append that a position belongs to.
--   $1 force_no, $2 position
select captured_from_us, captured_to_us
from appends
where force_no = $1 and last_position >= $2
order by last_position
limit 1
