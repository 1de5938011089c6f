-- What was restored from a backup, while that is not finished; null otherwise.
--   no parameters
select (select subject from restoration)
