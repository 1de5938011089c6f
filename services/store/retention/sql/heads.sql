-- Positions of the newest reads of all forces.
--   no parameters
select force, head from forces
