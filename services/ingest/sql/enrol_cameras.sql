-- Enrol cameras on a feed, or update and move those that are known; says of each whether it was new.
--   $1 force, $2 feed, then parallel arrays, one element a camera:
--   $3 camera ids, $4 names, $5 kinds, $6 latitudes, $7 longitudes (null where not known)
insert into cameras (force, camera_id, feed, name, kind, latitude, longitude)
select $1, camera_id, $2, name, kind, latitude, longitude
from unnest($3::text[], $4::text[], $5::smallint[], $6::float8[], $7::float8[])
    as enrolled (camera_id, name, kind, latitude, longitude)
on conflict (force, camera_id) do update set
    feed = excluded.feed, name = excluded.name, kind = excluded.kind,
    latitude = excluded.latitude, longitude = excluded.longitude
returning xmax = 0 as created
