-- The hotlists of a force, by name, without the canary's.
--   $1 force, $2 now, $3 name of the canary's hotlist
select name, version, entries, near_matches, activated_at, imported_by,
    (
        select count(*) from entries
        where entries.load_no = hotlists.load_no and weed_at < 'infinity' and weed_at <= $2
    ) as expired_entries
from hotlists where force = $1 and name <> $3 order by name
