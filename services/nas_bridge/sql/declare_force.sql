-- Declare the force whose rows this transaction may see.
--   $1 force
select set_config('gantry.forces', $1::text, true)
