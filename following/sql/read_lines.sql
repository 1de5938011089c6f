-- The lines of a force by name, or one of them.
--   $1 force, $2 line; null for all
select force, line, state, paused, stopped_reason, case when expires_at > present() then owner else '' end as owner, epoch, last_error, failing_since,
    max(moved_at) as last_progress_at, coalesce(min(position), 0) as position, coalesce(max(head), 0) as head
from lines left join line_cursors using (force, line)
where force = $1 and line = coalesce($2, line)
group by lines.force, lines.line
order by line
