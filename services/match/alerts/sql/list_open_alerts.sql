-- Alerts of a force that nobody has acknowledged, newest first.
--   $1 force, $2 raised at or after (null: no limit), $3 and $4 before this time and number (null: no limit), $5 most rows
select alerts.number, position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read,
    event.at as acknowledged_at, person, note
from alerts
left join alert_events event on event.force = alerts.force and event.number = alerts.acknowledged_number
where alerts.force = $1 and raised_at >= coalesce($2, '-infinity'::timestamptz)
    and (raised_at, alerts.number) < (coalesce($3, 'infinity'::timestamptz), coalesce($4, 0))
    and acknowledged_number is null
order by raised_at desc, alerts.number desc limit $5
