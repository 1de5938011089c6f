-- Refuse uncommitted results of a line, and make it start again from its cursor.
--   $1 force, $2 line
select restart_line($1, $2)
