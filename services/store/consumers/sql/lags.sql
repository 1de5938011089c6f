-- Whether each force is active, and the head of its log; for each registered consumer (null: there is none) its lag, and when the oldest append of
-- reads that it lacks was received. Canaries are no reads: a consumer that lacks nothing else has no lag.
--   no parameters; shows the forces that the transaction has declared
select f.force, f.state = 1 as active, f.head, c.consumer,
    case when lacked.received_at_us is null then 0 else f.head - c.position end as reads,
    lacked.received_at_us as oldest_us
from forces f
left join consumers c on c.force_no = f.force_no and c.retired_at is null
left join lateral (
    select a.received_at_us
    from appends a
    where a.force_no = f.force_no and a.last_position > c.position and a.canary is null
    order by a.last_position
    limit 1
) as lacked on true
where f.force = any (declared_forces())
