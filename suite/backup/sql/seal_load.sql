-- Close a load.
--   $1 load
select match.seal_lines($1, clock_timestamp())
