-- Record the head of the log of a failing line.
--   $1 force, $2 line, $3 cursor, $4 head
update line_cursors set head = greatest(head, $4) where force = $1 and line = $2 and cursor = $3
