-- Refuse what a line has not committed yet, and have it start again from its cursor.
--   $1 force, $2 line
select restart_line($1, $2)
