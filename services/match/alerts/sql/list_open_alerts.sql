-- Alerts of a force without an acknowledgement, newest first.
--   $1 force, $2 raised at or after, $3 and $4 before this time and number, $5 most rows, $6 hotlists and $7 cameras (empty: any),
--   $8 lowest priority, $9 near or not (null: either)
-- The limits are plain parameters: PostgreSQL uses no index for expressions of which it cannot tell that row-level security allows it.
select number, position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read,
    entries, camera_name, late, acknowledged_at, acknowledged_by, acknowledged_note
from alerts
where force = $1 and raised_at >= $2
    and (raised_at, number) < ($3, $4)
    and (cardinality($6::text[]) = 0 or hotlist = any ($6)) and (cardinality($7::text[]) = 0 or camera_id = any ($7))
    and priority <= $8 and near = coalesce($9, near)
    and acknowledged_number is null
order by raised_at desc, number desc limit $5
