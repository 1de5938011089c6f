-- What an earlier request with this id enrolled.
--   $1 force, $2 request id
select request_sha256, created, updated from enrolments where force = $1 and request_id = $2
