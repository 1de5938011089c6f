-- Close a filled load: indexes, statistics; readers see it from here on.
--   $1 load, $2 now
select entries, repeated, expired from seal_lines($1, $2)
