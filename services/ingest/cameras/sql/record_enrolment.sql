-- Keep what a request enrolled, for its retries.
--   $1 force, $2 request id, $3 SHA-256 of the request, $4 cameras created, $5 cameras updated
insert into enrolments (force, request_id, request_sha256, created, updated) values ($1, $2, $3, $4, $5)
