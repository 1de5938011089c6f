-- The cursors of a line.
--   $1 force, $2 line
select cursor, position from line_cursors where force = $1 and line = $2
