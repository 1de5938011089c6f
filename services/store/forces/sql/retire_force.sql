-- Retire a force, as in the function.
--   $1 force
select retire_force($1)
