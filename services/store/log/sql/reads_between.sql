-- Reads of a range of positions, in order. Times of capture are left out on purpose: with them the planner may walk a whole day.
--   $1 force_no, $2 after this position, $3 up to this position
select position, captured_at_us, camera_no, latitude_e7, longitude_e7, confidence, heading, read_id, vrm, details, image
from reads
where force_no = $1 and position > $2 and position <= $3
order by position
