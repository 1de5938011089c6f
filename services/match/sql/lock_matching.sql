-- Lock a force's row until the transaction ends, and declare the force.
--   $1 force
select position, generation, last_number, set_config('gantry.forces', $1, true)
from matching where force = $1 for update
