-- The identities of the reads of a range of positions and times, as one text in order of position; how many, and the last position.
-- The sum with 0 keeps the planner from walking the whole day for every range of positions.
--   $1 force_no, $2 after this position, $3 up to this position, $4 captured from, $5 captured before
select
    coalesce(string_agg(
        c.camera_id || e'\n' || r.captured_at_us || e'\n' || r.read_id || e'\n', '' order by r.position), '') as identities,
    count(*) as reads,
    coalesce(max(r.position), 0) as last_position
from reads r
join cameras c using (camera_no)
where r.force_no = $1 and r.position > $2 and r.position <= $3 and r.captured_at_us + 0 >= $4
    and r.captured_at_us + 0 < $5
