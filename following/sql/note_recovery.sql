-- Record that a line has nothing left to process and fails no more; returns 1, or 0 when fenced.
--   $1 force, $2 line, $3 epoch
with noted as (
    update lines set last_error = '', failing_since = null
    where force = $1 and line = $2 and epoch = $3
    returning 1
)
select count(*) from noted
