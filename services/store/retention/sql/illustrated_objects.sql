-- Image objects, with the day of capture as a number, that reads of a range of times refer to.
--   $1 force_no, $2 captured from, $3 captured before, $4 up to this position
select distinct r.captured_at_us / 86400000000 as day, a.image_object
from reads r
cross join lateral (
    select image_object
    from appends
    where force_no = r.force_no and last_position >= r.position
    order by last_position
    limit 1
) as a
where r.force_no = $1 and r.captured_at_us >= $2 and r.captured_at_us < $3 and r.position <= $4 and r.image <> ''
