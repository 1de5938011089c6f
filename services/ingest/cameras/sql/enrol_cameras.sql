-- Enrol cameras on a feed, or move those that are known to it; what is not given keeps its value. Says of each whether it
-- was new, and how it is mounted now. A mobile camera (kind 2) has no place.
--   $1 force, $2 feed, then parallel arrays, one element a camera:
--   $3 camera ids, $4 names, $5 kinds, $6 latitudes, $7 longitudes (null where not given)
insert into cameras (force, camera_id, feed, name, kind, latitude, longitude)
select $1, camera_id, $2, name, kind,
       case when kind <> 2 then latitude end, case when kind <> 2 then longitude end
from (
    select given.camera_id,
           coalesce(given.name, known.name, given.camera_id) as name,
           coalesce(given.kind, known.kind, 1) as kind,
           coalesce(given.latitude, known.latitude) as latitude,
           coalesce(given.longitude, known.longitude) as longitude
    from unnest($3::text[], $4::text[], $5::smallint[], $6::float8[], $7::float8[])
        as given (camera_id, name, kind, latitude, longitude)
    left join cameras as known on known.force = $1 and known.camera_id = given.camera_id
) as enrolled
on conflict (force, camera_id) do update set
    feed = excluded.feed, name = excluded.name, kind = excluded.kind,
    latitude = excluded.latitude, longitude = excluded.longitude
returning camera_id, kind, xmax = 0 as created
