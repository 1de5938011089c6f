-- The version of the registry with every camera of a force, by camera id. One row of nulls beside the version when there is none.
--   $1 force
select version, camera_id, name, kind, latitude, longitude, feed, enabled
from registry left join cameras on force = $1 order by camera_id
