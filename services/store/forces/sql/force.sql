-- A force; no row when there is none of this code.
--   $1 force
select force, name, created_at, retired_at from forces where force = $1
