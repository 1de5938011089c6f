-- The receipt that covers a position, or none.
--   $1 force, $2 destination, $3 position
select receipt_id, first_position, last_position, accepted, duplicate, refused, received_at, traceparent
from (
    select * from receipts
    where force = $1 and destination = $2 and last_position >= $3
    order by last_position
    limit 1
) as next
where first_position <= $3
