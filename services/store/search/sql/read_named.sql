-- The newest read with a vendor's identifier. First all of them, or an index in order of time might be walked to its end.
--   $1 force_no, $2 read_id
with found as materialized (
    select * from reads where force_no = $1 and read_id = $2
)
select r.*, c.camera_id, a.received_at_us, a.image_object, a.traceparent
from found r
join cameras c using (camera_no)
cross join lateral (
    select received_at_us, image_object, traceparent
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
order by r.captured_at_us desc, r.position desc
limit 1
