-- From here on reads of a force have to be matched against its hotlists as this transaction leaves them; every
-- replica is told.
--   $1 force
update matching set generation = generation + 1 where force = $1
returning pg_notify('gantry_match_lists', $1)
