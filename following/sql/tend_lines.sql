-- One tick of a replica; see the function.
--   $1 replica, $2 forces, $3 length of a lease, $4 whether the replica is leaving
select force, line, epoch, state, follows, surplus from tend_lines($1, $2, $3, $4)
