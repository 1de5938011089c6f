-- The read at a position.
--   $1 force_no, $2 position
select r.force_no, r.position, r.captured_at_us, c.camera_id, r.latitude_e7, r.longitude_e7, r.confidence, r.heading, r.read_id,
    r.vrm, r.details, r.image, a.received_at_us, a.image_object, a.traceparent
from reads r
join cameras c using (camera_no)
cross join lateral (
    select received_at_us, image_object, traceparent
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
where r.force_no = $1 and r.position = $2
