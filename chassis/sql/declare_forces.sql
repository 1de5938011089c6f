-- Declare the forces whose rows this transaction may see and change; row-level security hides all others.
--   $1 their codes, separated by commas
select set_config('gantry.forces', $1, true)
