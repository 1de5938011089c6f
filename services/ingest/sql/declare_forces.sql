-- Declare the forces whose rows this transaction may see and write.
--   $1 forces, joined by commas
select set_config('gantry.forces', $1, true)
