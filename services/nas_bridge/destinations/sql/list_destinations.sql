-- The destinations of a force with their states, by name; all of them, or one.
--   $1 force, $2 name, or null for all
select
    d.name, d.adapter, d.options::text, d.images, d.identity, d.server_name, d.most_reads, d.timeout_seconds,
    l.state, l.paused, l.stopped_reason, c.position, c.head,
    f.delivered, f.dead_letters, f.last_delivered_at, f.last_error, f.failing_since
from destinations as d
join lines as l on l.force = d.force and l.line = d.name
join line_cursors as c on c.force = d.force and c.line = d.name
join forwarders as f on f.force = d.force and f.destination = d.name
where d.force = $1 and ($2::text is null or d.name = $2)
order by d.name
