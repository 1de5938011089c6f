-- The cursors of the registered consumers of a force.
--   $1 force_no
select consumer, position, reported_at from consumers where force_no = $1 and retired_at is null order by consumer
