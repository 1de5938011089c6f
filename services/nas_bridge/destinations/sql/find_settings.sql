-- How a destination is reached and what it gets, or no row.
--   $1 force, $2 name
select name, adapter, options::text, images, identity, server_name, most_reads, timeout_seconds
from destinations
where force = $1 and name = $2
