-- Alerts after a number, in order, with the acknowledgements that a subscription shows inside its alerts.
--   $1 force, $2 after this number, $3 most rows, $4 last acknowledgement to show inside
select alerts.number, position, captured_at, raised_at, priority, near, entry_vrm, hotlist, reason, markers,
    instruction, read, acknowledged_at, person, note
from alerts
left join acknowledgements taken
    on taken.force = alerts.force and taken.alert_number = alerts.number and taken.number <= $4
where alerts.force = $1 and alerts.number > $2
order by alerts.number limit $3
