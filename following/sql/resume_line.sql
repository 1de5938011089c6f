-- Resume a line that was paused or has stopped, unless it is retired.
--   $1 force, $2 line
update lines set paused = false, stopped_reason = '' where force = $1 and line = $2 and state <> 6
