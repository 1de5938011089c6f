-- Set the desired state of a line, unless it is retired.
--   $1 force, $2 line, $3 state
update lines set state = $3 where force = $1 and line = $2 and state <> 6
