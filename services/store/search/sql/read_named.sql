-- Reads with a vendor's identifier, newest first, and how many there are. First all of them, or an index in order of time might be walked to
-- its end.
--   $1 force_no, $2 read_id, $3 camera_id ('': of any camera), $4 most rows
with found as materialized (
    select * from reads where force_no = $1 and read_id = $2
),
named as (
    select f.*, c.camera_id, count(*) over () as named
    from found f
    join cameras c using (camera_no)
    where $3 = '' or c.camera_id = $3
    order by f.captured_at_us desc, f.position desc
    limit $4
)
select r.*, a.received_at_us, a.first_position, a.image_object, a.traceparent
from named r
cross join lateral (
    select first_position, received_at_us, image_object, traceparent
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
order by r.captured_at_us desc, r.position desc
