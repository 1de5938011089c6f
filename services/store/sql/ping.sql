-- Ask whether the database answers.
--   no parameters
select 1
