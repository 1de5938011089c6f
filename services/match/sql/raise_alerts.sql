-- Raise the alerts that were not raised before, number them without gaps, and move the cursor. Runs under the lock of
-- the force's row, so nobody else raises or numbers meanwhile. Returns how many were new.
--   $1 force, $2 last number given, $3 new position, $4 head of the log, $5 raised at
--   $6.. parallel arrays, one element an alert: position, captured at, hotlist number, priority, near, camera, read id,
--   plate of the entry, name of the hotlist, reason, markers, instruction, read
with given as (
    select * from unnest(
        $6::bigint[], $7::timestamptz[], $8::integer[], $9::smallint[], $10::boolean[], $11::text[], $12::text[],
        $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::bytea[]
    ) with ordinality as given (
        position, captured_at, hotlist_no, priority, near, camera_id, read_id,
        entry_vrm, hotlist, reason, markers, instruction, read, place
    )
), fresh as (
    select given.*, row_number() over (order by place) as step from given
    where not exists (
        select from alerts known
        where known.force = $1 and known.camera_id = given.camera_id and known.captured_at = given.captured_at
            and known.read_id = given.read_id and known.hotlist_no = given.hotlist_no
            and known.entry_vrm = given.entry_vrm
    )
), raised as (
    insert into alerts (
        force, number, position, captured_at, raised_at, hotlist_no, priority, near, camera_id, read_id,
        entry_vrm, hotlist, reason, markers, instruction, read
    )
    select $1, $2 + step, position, captured_at, $5, hotlist_no, priority, near, camera_id, read_id,
        entry_vrm, hotlist, reason, markers, instruction, read
    from fresh
    returning number
), counted as (
    select count(*) as alerts from raised
)
update matching
set position = $3, head = $4, last_number = last_number + counted.alerts,
    alerts_raised = alerts_raised + counted.alerts
from counted
where force = $1
returning counted.alerts
