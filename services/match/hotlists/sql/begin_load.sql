-- Begin a load of a force, which is kept for a while; returns its number.
--   $1 force, $2 how long
select begin_lines($1, $2)
