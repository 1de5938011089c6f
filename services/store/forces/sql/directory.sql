-- The revision of the directory and every force by code; one row without a force when there is none.
--   no parameters
select d.revision, f.force, f.name, f.created_at, f.retired_at, s.south, s.west, s.north, s.east, s.not_read_words
from directory d
left join forces f on true
left join force_settings s using (force_no)
order by f.force
