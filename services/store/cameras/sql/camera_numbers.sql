-- Numbers of a force's cameras.
--   $1 force_no, $2 camera_ids
select camera_id, camera_no from cameras where force_no = $1 and camera_id = any ($2::text[])
