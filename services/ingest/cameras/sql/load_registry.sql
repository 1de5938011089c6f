-- Every feed with its cameras: one row a camera, one row for a feed without any, one row of nulls when there is no feed.
select version, force, feed, token_sha256, camera_id, enabled, kind, latitude, longitude from registry_with_canaries()
