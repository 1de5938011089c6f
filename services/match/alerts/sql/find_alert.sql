-- An alert as it now is: its columns and the event by which it was acknowledged.
--   $1 force, $2 number of the alert
select number, position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read,
    entries, camera_name, late, acknowledged_at, acknowledged_by, acknowledged_note
from alerts
where force = $1 and number = $2
