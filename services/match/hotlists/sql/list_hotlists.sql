-- The hotlists of a force, by name.
--   $1 force, $2 now
select name, version, entries, near_matches, activated_at, imported_by,
    (
        select count(*) from entries
        where entries.load_no = hotlists.load_no and weed_at < 'infinity' and weed_at <= $2
    ) as expired_entries
from hotlists where force = $1 order by name
