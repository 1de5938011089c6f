-- Register a consumer and return its cursor, as in the function; null when it belongs to another service.
--   $1 service, $2 force_no, $3 force, $4 consumer
select register_consumer_of($1, $2, $3, $4)
