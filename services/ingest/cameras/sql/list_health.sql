-- What cameras of a force delivered, after one, by their ids; rejections and warnings as parallel arrays.
--   $1 force, $2 camera id to start after, $3 most rows, $4 camera id that is left out
select page.camera_id, coalesce(accepted, 0) as accepted, coalesce(duplicate, 0) as duplicate,
       last_received_at, last_captured_at, reasons, refused, remarks, remarked
from (
    select camera_id from cameras where force = $1 and camera_id > $2 and camera_id <> $4 order by camera_id limit $3
) as page
left join deliveries on deliveries.force = $1 and deliveries.camera_id = page.camera_id
cross join lateral (
    select coalesce(array_agg(reason order by reason), '{}') as reasons,
           coalesce(array_agg(reads order by reason), '{}') as refused
    from rejections where rejections.force = $1 and rejections.camera_id = page.camera_id
) as rejected
cross join lateral (
    select coalesce(array_agg(reason order by reason), '{}') as remarks,
           coalesce(array_agg(reads order by reason), '{}') as remarked
    from warnings where warnings.force = $1 and warnings.camera_id = page.camera_id
) as warned
order by page.camera_id
