-- The revision of the directory and every force by code; one row without a force when there is none.
--   no parameters
select d.revision, f.force, f.name, f.created_at, f.retired_at
from directory d
left join forces f on true
order by f.force
