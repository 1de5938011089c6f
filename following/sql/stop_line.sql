-- Stop a line until a person resumes it; returns 1, or 0 when fenced.
--   $1 force, $2 line, $3 epoch, $4 reason
with stopped as (
    update lines set stopped_reason = $4, last_error = $4, failing_since = coalesce(failing_since, present())
    where force = $1 and line = $2 and epoch = $3
    returning 1
)
select count(*) from stopped
