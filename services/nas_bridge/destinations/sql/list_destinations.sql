-- The destinations of a force with their counts, by name; all of them, or one.
--   $1 force, $2 name, or null for all
select
    d.name, d.adapter, d.options::text, d.images, d.identity, d.server_name, d.most_reads, d.timeout_seconds,
    c.delivered, c.dead_letters, c.last_delivered_at
from destinations as d
join delivery_counts as c on c.force = d.force and c.destination = d.name
where d.force = $1 and ($2::text is null or d.name = $2)
order by d.name
