-- Write down a delivery whole: receipt, dead letters and cursor; returns 1, or 0 when the claim is lost.
--   $1 force, $2 destination, $3 epoch of the claim, $4 cursor before, $5 cursor after, $6 head of the log
--   $7 receipt id, $8 first position, $9 last position, $10 accepted, $11 duplicate, $12 traceparent
--   $13.. dead letters, one element a read: positions, camera ids, read ids, captured at, reasons, messages
with moved as (
    update forwarders set
        position = $5,
        head = greatest(head, $6),
        delivered = delivered + $10::integer + $11::integer,
        dead_letters = dead_letters + cardinality($13::bigint[]),
        last_delivered_at = case when $10::integer + $11::integer > 0 then now() else last_delivered_at end,
        state = 1,
        last_error = '',
        failing_since = null
    where force = $1 and destination = $2 and epoch = $3 and position = $4
    returning force, destination
), receipt as (
    insert into receipts (
        force, destination, first_position, last_position, receipt_id, accepted, duplicate, refused, traceparent
    )
    select force, destination, $8, $9, $7, $10, $11, cardinality($13::bigint[]), $12 from moved
), letters as (
    insert into dead_letters (force, destination, position, camera_id, read_id, captured_at, reason, message)
    select moved.force, moved.destination, letter.*
    from moved, unnest($13::bigint[], $14::text[], $15::text[], $16::timestamptz[], $17::text[], $18::text[]) as letter
)
select count(*) from moved
