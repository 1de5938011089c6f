-- Name the forces whose rows the rest of this transaction may see and write.
--   $1 force codes, joined by commas
select set_config('gantry.forces', $1, true)
