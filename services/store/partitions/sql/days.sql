-- Days of which a force has a partition.
--   $1 force_no
select day from days where force_no = $1 order by day
