-- Register a consumer and return its cursor, as in the function.
--   $1 force_no, $2 force, $3 consumer
select register_consumer($1, $2, $3)
