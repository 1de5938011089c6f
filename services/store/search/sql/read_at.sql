-- The read at a position.
--   $1 force_no, $2 position
select r.*, c.camera_id, a.received_at_us, a.first_position, a.image_object, a.traceparent
from reads r
join cameras c using (camera_no)
cross join lateral (
    select first_position, received_at_us, image_object, traceparent
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
where r.force_no = $1 and r.position = $2
