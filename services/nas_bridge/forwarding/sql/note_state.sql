-- Say that a forwarder fails, and how; returns 1, or 0 when the claim is lost.
--   $1 force, $2 destination, $3 epoch of the claim, $4 state, $5 error, $6 head of the log
with noted as (
    update forwarders set
        state = $4,
        last_error = $5,
        head = greatest(head, $6),
        failing_since = coalesce(failing_since, now())
    where force = $1 and destination = $2 and epoch = $3
    returning 1
)
select count(*) from noted
