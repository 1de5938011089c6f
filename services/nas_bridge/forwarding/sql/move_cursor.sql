-- Move the cursor over a part of the log that has no reads; returns 1, or 0 when the claim is lost.
--   $1 force, $2 destination, $3 epoch of the claim, $4 cursor before, $5 cursor after, $6 head of the log
with moved as (
    update forwarders set position = $5, head = greatest(head, $6)
    where force = $1 and destination = $2 and epoch = $3 and position = $4
    returning 1
)
select count(*) from moved
