-- How far matching is for a force.
--   $1 force
select position, head, alerts_raised, alerts_raised - alerts_acknowledged - alerts_lapsed as alerts_open,
    (select coalesce(sum(entries), 0) from hotlists where hotlists.force = matching.force)::bigint as entries
from matching where force = $1
