-- The forwarders of a force by destination.
--   $1 force
select destination, state, position, head, delivered, dead_letters, last_delivered_at, last_error,
    failing_since
from forwarders
where force = $1
order by destination
