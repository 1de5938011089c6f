-- A page of the reads that a destination refused, newest first.
--   $1 force, $2 destination, $3 only positions below this, $4 most rows
select position, camera_id, read_id, captured_at, reason, message, refused_at
from dead_letters
where force = $1 and destination = $2 and position < $3
order by position desc
limit $4
