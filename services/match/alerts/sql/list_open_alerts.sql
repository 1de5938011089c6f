-- Alerts of a force without an acknowledgement, newest first.
--   $1 force, $2 raised at or after, $3 and $4 before this time and number, $5 most rows
-- The limits are plain parameters: PostgreSQL uses no index for expressions of which it cannot tell that row-level security allows it.
select number, position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read,
    acknowledged_at, acknowledged_by, acknowledged_note
from alerts
where force = $1 and raised_at >= $2
    and (raised_at, number) < ($3, $4)
    and acknowledged_number is null
order by raised_at desc, number desc limit $5
