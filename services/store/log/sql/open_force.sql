-- Make a force if it is new, and return its number.
--   $1 force
select make_force($1)
