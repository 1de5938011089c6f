-- An alert as it now is: its columns and the event by which it was acknowledged.
--   $1 force, $2 number of the alert
select alerts.number, position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read,
    event.at as acknowledged_at, person, note
from alerts
left join alert_events event on event.force = alerts.force and event.number = alerts.acknowledged_number
where alerts.force = $1 and alerts.number = $2
