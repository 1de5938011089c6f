-- Names of a force's cameras.
--   $1 force_no, $2 camera_nos
select camera_no, camera_id from cameras where force_no = $1 and camera_no = any ($2::integer[])
