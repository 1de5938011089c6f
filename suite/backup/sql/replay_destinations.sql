-- Retire or pause the destinations that were retired or paused at the end. Returns how many changed.
--   parallel arrays: $1 forces, $2 destinations, $3 whether it was retired
with changed as (
    update nas_bridge.lines as l set state = case when given.retired then 6 else l.state end, paused = l.paused or not given.retired
    from unnest($1::text[], $2::text[], $3::boolean[]) as given (force, line, retired)
    where l.force = given.force and l.line = given.line and l.state <> 6 and (given.retired or not l.paused)
    returning 1
)
select count(*) from changed
