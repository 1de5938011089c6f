-- Record who took an alert in hand, and tell every replica. Runs under the lock of the force's row.
--   $1 force, $2 last number given, $3 number of the alert, $4 now, $5 person, $6 note
with taken as (
    insert into acknowledgements (force, number, alert_number, acknowledged_at, person, note)
    values ($1, $2 + 1, $3, $4, $5, $6)
)
update matching set last_number = last_number + 1, alerts_acknowledged = alerts_acknowledged + 1
where force = $1
returning pg_notify('gantry_match_alerts', $1 || ' ' || last_number)
