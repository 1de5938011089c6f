-- Create a force, as in the function; false when another request has created one of this code.
--   $1 force, $2 name, $3 request_id, $4 consumers
select make_force($1, $2, $3, $4)
