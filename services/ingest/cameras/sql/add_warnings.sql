-- Add to how often cameras' reads had a remark. Cameras that are not enrolled are passed over.
--   parallel arrays: $1 forces, $2 camera ids, $3 reasons, $4 reads
insert into warnings (force, camera_id, reason, reads)
select force, camera_id, counted.reason, counted.reads
from unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[]) as counted (force, camera_id, reason, reads)
join cameras using (force, camera_id)
order by force, camera_id, reason
on conflict (force, camera_id, reason) do update set reads = warnings.reads + excluded.reads
