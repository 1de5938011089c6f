-- Give numbers to cameras that have none yet. A separate statement has to read them: this one cannot see those of others.
--   $1 force_no, $2 camera_ids
insert into cameras (force_no, camera_id) select $1, unnest($2::text[]) on conflict do nothing
