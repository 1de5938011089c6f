-- The lines that a replica shows in its metrics, with their positions: those that it runs, and at the first living replica by name also those
-- that none runs. So each line is shown once.
--   $1 replica
select force, line, min(position) as position, max(head) as head, paused, stopped_reason <> '' as stopped,
    coalesce(extract(epoch from present() - failing_since), 0)::float8 as failing_seconds
from lines join line_cursors using (force, line)
where state between 3 and 5 and $1 = coalesce(
    case when expires_at > present() then owner end, (select min(replica) from replicas where expires_at > present()))
group by lines.force, lines.line
