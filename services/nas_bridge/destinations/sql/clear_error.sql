-- Forget the last error of a forwarder whose destination is resumed.
--   $1 force, $2 name
update forwarders set last_error = '', failing_since = null
where force = $1 and destination = $2
