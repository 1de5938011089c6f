-- The version of the registry with every camera of a force, by camera id. One row of nulls beside the version when there is none.
--   $1 force, $2 camera id that is left out
select version, camera_id, name, kind, latitude, longitude, feed, enabled
from registry left join cameras on force = $1 and camera_id <> $2 order by camera_id
