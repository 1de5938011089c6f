-- Reads of a plate, newest first, a page at a time. The sums with 0 keep the planner from walking whole days instead of looking for
-- the plate, which costs next to nothing in a day that has none.
--   $1 force_nos, $2 vrm, $3 captured from, $4 captured before, $5 to $7 the page begins below this captured_at_us, force_no and
--   position, $8 most rows
with found as (
    select *
    from reads
    where force_no = any ($1::smallint[]) and vrm = $2 and captured_at_us + 0 >= $3 and captured_at_us + 0 < $4
        and (captured_at_us + 0, force_no, position) < ($5, $6, $7)
    order by captured_at_us desc, force_no desc, position desc
    limit $8
)
select r.*, c.camera_id, a.received_at_us, a.first_position, a.image_object, a.traceparent
from found r
join cameras c using (camera_no)
cross join lateral (
    select first_position, received_at_us, image_object, traceparent
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
order by r.captured_at_us desc, r.force_no desc, r.position desc
