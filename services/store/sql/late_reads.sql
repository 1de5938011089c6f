-- The first reads, by position, captured before a time, with when they were received.
--   $1 force_no, $2 captured before, $3 most rows
with late as (
    select position from reads where force_no = $1 and captured_at_us < $2 order by position limit $3
)
select late.position, a.received_at_us
from late
cross join lateral (
    select received_at_us from appends where force_no = $1 and last_position >= late.position order by last_position limit 1
) as a
order by late.position
