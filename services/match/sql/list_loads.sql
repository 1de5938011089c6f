-- The generation of a force's hotlists and the loads that make it up; one row with nulls when there are none.
--   $1 force
select generation, load_no, entries
from matching left join hotlists using (force)
where force = $1 order by load_no
