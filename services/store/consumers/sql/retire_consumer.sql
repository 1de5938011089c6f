-- Retire a consumer, as in the function; false when it belongs to another service.
--   $1 service, $2 force_no, $3 force, $4 consumer
select retire_consumer_of($1, $2, $3, $4)
