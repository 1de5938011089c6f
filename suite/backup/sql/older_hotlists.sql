-- Hotlists whose content has been replaced since.
--   parallel arrays: $1 forces, $2 names, $3 versions at the end
select h.force, h.name, given.version
from match.hotlists h
join unnest($1::text[], $2::text[], $3::integer[]) as given (force, name, version) using (force, name)
where h.version < given.version
order by h.force, h.name
