-- Move a consumer's cursor forward, never back; no row when the position is past the head.
--   $1 force_no, $2 consumer, $3 position
insert into consumers (force_no, consumer, position, reported_at)
select force_no, $2, $3, now() from forces where force_no = $1 and head >= $3
on conflict (force_no, consumer) do update
set position = greatest(consumers.position, excluded.position), reported_at = excluded.reported_at
returning position
