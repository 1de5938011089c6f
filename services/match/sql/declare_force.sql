-- Declare the force whose rows this transaction may see and write.
--   $1 force
select set_config('gantry.forces', $1, true)
