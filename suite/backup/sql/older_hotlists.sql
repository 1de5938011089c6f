-- Hotlists whose content has been replaced since, and those that came since and are not here (known: false).
--   parallel arrays: $1 forces, $2 names, $3 versions at the end
select given.force, given.name, given.version, h.version is not null as known
from unnest($1::text[], $2::text[], $3::integer[]) as given (force, name, version)
left join match.hotlists h on h.force = given.force and h.name = given.name
where h.version is null or h.version < given.version
order by given.force, given.name
