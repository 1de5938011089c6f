-- Move a force's cursor over reads that raise no alert, unless somebody else moved it or the hotlists changed.
--   $1 force, $2 position as it was, $3 generation matched against, $4 new position, $5 head of the log
-- It need not be on disk at once, since nothing but reads to be matched again is lost with it; an alert or an import that
-- commits later takes it along.
update matching set position = $4, head = $5
where force = $1 and position = $2 and generation = $3
returning set_config('synchronous_commit', 'off', true)
