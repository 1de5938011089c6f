-- An alert of a force, and who took it in hand, if anybody did.
--   $1 force, $2 number of the alert
select alerts.number, acknowledged_at, person, note
from alerts
left join acknowledgements taken on taken.force = alerts.force and taken.alert_number = alerts.number
where alerts.force = $1 and alerts.number = $2
