-- From here on reads of a force have to be matched against its hotlists as this transaction leaves them.
--   $1 force
update matching set generation = generation + 1 where force = $1
