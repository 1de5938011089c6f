-- Whether a force has, or had, a destination.
--   $1 force, $2 destination
select exists (select from destinations where force = $1 and name = $2)
