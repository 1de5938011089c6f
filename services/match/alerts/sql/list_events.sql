-- Events of a force after a number, in order, each beside the number of the force's last event; one row with nulls when there is none
-- after it, no row when there was never one. A single statement, so that both are of one moment.
--   $1 force, $2 after this number, $3 most rows
select last_number, event.*
from alert_sequences
left join lateral (
    select event.number, event.at, event.kind, event.alert_number, event.person, event.note,
        position, raised_at, priority, near, entry_vrm, hotlist, reason, markers, instruction, read
    from alert_events event
    -- An alert has the number of the event that raised it.
    left join alerts on alerts.force = event.force and alerts.number = event.number
    where event.force = $1 and event.number > $2
    order by event.number limit $3
) as event on true
where alert_sequences.force = $1
order by event.number
