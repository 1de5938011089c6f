-- Release a lease, if it is still held.
--   $1 force, $2 line, $3 epoch, $4 replica
update lines set owner = null, expires_at = null
where force = $1 and line = $2 and epoch = $3 and owner = $4
