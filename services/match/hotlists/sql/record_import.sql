-- Note what an import answered.
--   $1 force, $2 request id, $3 hotlist number, $4 answer
insert into imports (force, request_id, hotlist_no, answer) values ($1, $2, $3, $4)
