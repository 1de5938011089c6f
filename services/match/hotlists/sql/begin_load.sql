-- Begin a load of a force and lock it for this session; returns its number.
--   $1 force
select begin_load($1)
