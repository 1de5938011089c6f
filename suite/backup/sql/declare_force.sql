-- Declare the force whose rows functions of services may see and change, until the transaction ends.
--   $1 force
select set_config('gantry.forces', $1, true)
