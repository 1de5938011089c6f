-- Position of the newest read of a force.
--   $1 force_no
select head from forces where force_no = $1
