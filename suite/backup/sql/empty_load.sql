-- Make a load without entries. Returns its number.
--   $1 force
select match.begin_lines($1, interval '1 hour')
