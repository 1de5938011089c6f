-- Retire forces that were retired at the end. Returns how many changed.
--   $1 forces
with changed as (
    update store.forces set state = 2, retired_at = clock_timestamp() where force = any ($1::text[]) and state = 1 returning 1
)
select count(*) from changed
