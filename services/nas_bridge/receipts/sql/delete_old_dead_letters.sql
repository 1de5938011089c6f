-- Delete the dead letters of a force that are over age.
--   $1 force, $2 refused before
delete from dead_letters where force = $1 and refused_at < $2
