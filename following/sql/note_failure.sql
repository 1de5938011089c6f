-- Record that a line fails; returns 1, or 0 when fenced.
--   $1 force, $2 line, $3 epoch, $4 error
with noted as (
    update lines set last_error = $4, failing_since = coalesce(failing_since, present())
    where force = $1 and line = $2 and epoch = $3
    returning 1
)
select count(*) from noted
