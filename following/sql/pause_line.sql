-- Pause a line, unless it is retired.
--   $1 force, $2 line
update lines set paused = true where force = $1 and line = $2 and state <> 6
