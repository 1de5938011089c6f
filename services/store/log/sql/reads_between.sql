-- Reads of a range of positions, in order, with all columns. Times of capture are no condition on purpose: with them the planner may walk a
-- whole day.
--   $1 force_no, $2 after this position, $3 up to this position
select *
from reads
where force_no = $1 and position > $2 and position <= $3
order by position
