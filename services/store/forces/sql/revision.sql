-- The revision of the directory.
--   no parameters
select revision from directory
