-- The keys that sign page tokens, newest first.
--   no parameters
select key from page_keys order by key_no desc
