-- Begin to run a forwarder: fence off whoever ran it before, and return where to go on.
--   $1 force, $2 destination
update forwarders set epoch = epoch + 1, state = 1, last_error = ''
where force = $1 and destination = $2
returning epoch, position
