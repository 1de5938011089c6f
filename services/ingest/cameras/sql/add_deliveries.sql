-- Add to what cameras delivered. Cameras that are not enrolled are passed over.
--   parallel arrays, one element a camera: $1 forces, $2 camera ids, $3 accepted, $4 duplicate,
--   $5 last received, $6 last captured (null: not since)
insert into deliveries (force, camera_id, accepted, duplicate, last_received_at, last_captured_at)
select force, camera_id, counted.accepted, counted.duplicate, counted.received_at, counted.captured_at
from unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
    as counted (force, camera_id, accepted, duplicate, received_at, captured_at)
join cameras using (force, camera_id)
order by force, camera_id
on conflict (force, camera_id) do update set
    accepted = deliveries.accepted + excluded.accepted,
    duplicate = deliveries.duplicate + excluded.duplicate,
    last_received_at = greatest(deliveries.last_received_at, excluded.last_received_at),
    last_captured_at = case
        when excluded.last_received_at is null or deliveries.last_received_at > excluded.last_received_at
        then deliveries.last_captured_at else excluded.last_captured_at end
