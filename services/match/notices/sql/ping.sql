-- Answer, to show that the database is there.
--   no parameters
select 1
