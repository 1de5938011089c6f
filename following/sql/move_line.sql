-- Move a cursor without a result; false when fenced.
--   $1 to $7 the move, $8 whether it has to be on disk when it returns
-- A lock is told as that, before the connection is cut because it does not answer.
with bounded as materialized (select set_config('lock_timeout', '2s', true))
select move_line($1, $2, $3, $4, $5, $6, $7, $8) from bounded
