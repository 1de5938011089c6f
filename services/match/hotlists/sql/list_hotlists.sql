-- The hotlists of a force, by name.
--   $1 force
select name, version, entries, near_matches, activated_at, imported_by
from hotlists where force = $1 order by name
