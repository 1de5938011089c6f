-- Switch cameras off that were off at the end. Returns how many changed.
--   parallel arrays: $1 forces, $2 camera ids
with changed as (
    update ingest.cameras as c set enabled = false
    from unnest($1::text[], $2::text[]) as given (force, camera_id)
    where c.force = given.force and c.camera_id = given.camera_id and c.enabled
    returning 1
)
select count(*) from changed
