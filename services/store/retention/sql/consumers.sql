-- How far the consumers of a force are.
--   $1 force_no
select consumer, position, reported_at from consumers where force_no = $1 order by consumer
