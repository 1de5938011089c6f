-- A force; no row when there is none of this code.
--   $1 force
select f.force, f.name, f.created_at, f.retired_at, s.south, s.west, s.north, s.east, s.not_read_words
from forces f left join force_settings s using (force_no) where f.force = $1
