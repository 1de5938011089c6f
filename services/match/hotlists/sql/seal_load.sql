-- Close a filled load: repeated plates go, index, statistics; readers see it from here on.
--   $1 load
select entries, repeated from seal_load($1)
