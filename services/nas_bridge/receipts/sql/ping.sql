-- Answer, to show that the database is available.
--   no parameters
select 1
