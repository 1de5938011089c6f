-- Switch a camera on or off; returns it when it is known.
--   $1 force, $2 camera id, $3 on
update cameras set enabled = $3 where force = $1 and camera_id = $2
returning camera_id, name, kind, latitude, longitude, feed, enabled
