-- Cameras of a force after one, by their ids.
--   $1 force, $2 camera id to start after, $3 most rows, $4 camera id that is left out
select camera_id, name, kind, latitude, longitude, feed, enabled
from cameras where force = $1 and camera_id > $2 and camera_id <> $4 order by camera_id limit $3
