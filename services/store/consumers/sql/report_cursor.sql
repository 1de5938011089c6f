-- Move a consumer's cursor forward, as in the function. Returns the service that registered it, and whether the log has reached the position.
--   $1 service, $2 force_no, $3 force, $4 consumer, $5 position
select registered_by, is_reached from report_cursor_of($1, $2, $3, $4, $5)
