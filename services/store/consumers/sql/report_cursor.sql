-- Move a registered consumer's cursor forward, never back and never past the head. Returns whether the consumer is registered, and whether
-- the log has reached the position.
--   $1 force_no, $2 consumer, $3 position
with reported as (
    update consumers c
    set position = greatest(c.position, $3), reported_at = present()
    from forces f
    where c.force_no = $1 and c.consumer = $2 and c.retired_at is null and f.force_no = c.force_no and f.head >= $3
    returning c.consumer
)
select
    exists (select from consumers where force_no = $1 and consumer = $2 and retired_at is null) as is_registered,
    exists (select from reported) as is_reached
