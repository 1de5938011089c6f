-- The restore is finished.
--   no parameters
delete from restoration
