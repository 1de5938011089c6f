-- Append the event that a person took an alert in hand, unless an earlier one stands. Returns the event that stands, whether it
-- is new, and the alert as a filter sees it; nulls when the force has no such alert.
--   $1 force, $2 number of the alert, $3 person, $4 note, $5 now
select stands.number, at, person, note, is_new, hotlist, camera_id, priority, near
from acknowledge_alert($1, $2, $3, $4, $5) as stands
left join alerts on force = $1 and alerts.number = $2
