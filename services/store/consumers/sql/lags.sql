-- Whether each force is active (1), and the head of its log; for each registered consumer (null: there is none) its lag, and when the oldest append that it lacks was received.
--   no parameters; shows the forces that the transaction has declared
select f.force, f.state = 1 as active, f.head, c.consumer, greatest(f.head - c.position, 0) as reads,
    (
        select a.received_at_us from appends a
        where a.force_no = f.force_no and a.last_position > c.position
        order by a.last_position limit 1
    ) as oldest_us
from forces f left join consumers c on c.force_no = f.force_no and c.retired_at is null
where f.force = any (declared_forces())
