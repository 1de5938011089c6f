-- Position of the newest read of each force.
--   no parameters
select force, head from forces
