-- How far matching is for a force: zeros before its line has begun. The entry of the canary is no entry of the force.
--   $1 force, $2 name of the canary's hotlist
select coalesce(position, 0) as position, coalesce(head, 0) as head, coalesce(alerts_raised, 0) as alerts_raised,
    coalesce(alerts_open, 0) as alerts_open,
    (select coalesce(sum(entries), 0) from hotlists where hotlists.force = asked.force and name <> $2)::bigint as entries,
    last_error, failing_since
from (values ($1::text)) as asked (force)
left join lines on lines.force = asked.force and lines.line = 'match' and failing_since is not null
left join line_cursors on line_cursors.force = asked.force and line_cursors.line = 'match' and cursor = 'main'
left join alert_sequences on alert_sequences.force = asked.force
