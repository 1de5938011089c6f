-- Write down whether the store may have the destination registered as a consumer.
--   $1 force, $2 name, $3 whether it may
update destinations set registered = $3
where force = $1 and name = $2
