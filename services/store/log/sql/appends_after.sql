-- Appends that hold reads after a position, or are canaries after it, oldest first.
--   $1 force_no, $2 position, $3 most rows
select first_position, last_position, received_at_us, image_object, traceparent, canary
from appends
where force_no = $1 and last_position > $2
order by last_position
limit $3
