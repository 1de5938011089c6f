-- Number of a force; no row when there is no such force.
--   $1 force
select force_no from forces where force = $1
