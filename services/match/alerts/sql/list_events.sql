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
    -- The limit makes PostgreSQL look the alert up by its key, also while the tables have no statistics.
    select position, raised_at, priority, near, camera_id, entry_vrm, hotlist, reason, markers, instruction, read,
        entries, camera_name, late
    from alerts where alerts.force = $1 and alerts.number = event.alert_number limit 1
) as alert on true
where alert_sequences.force = $1
order by event.number
