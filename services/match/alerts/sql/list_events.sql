-- Events of a force after a number, in order, each beside the number of the force's last event; one row with nulls when there is none
-- after it, no row when there was never one. A single statement, so that both are of one moment.
--   $1 force, $2 after this number, $3 most rows
select last_number, event.*, alert.*
from alert_sequences
left join lateral (
    select number, at, kind, alert_number, person, note from alert_events
    where force = $1 and number > $2 order by number limit $3
) as event on true
left join lateral (
    -- An alert has the number of the event that raised it. The limit makes PostgreSQL look it up by its key, also while the
    -- tables have no statistics.
    select position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read from alerts
    where alerts.force = $1 and alerts.number = event.number limit 1
) as alert on true
where alert_sequences.force = $1
order by event.number
