-- Write down a destination unless there is one of that name. Returns its name, or no row when there was one.
--   $1 force, $2 name, $3 adapter, $4 options as a JSON object, $5 images, $6 identity, $7 server name, $8 most reads, $9 seconds
with added as (
    insert into destinations
        (force, name, adapter, options, images, identity, server_name, most_reads, timeout_seconds, registered)
    values ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9, true)
    on conflict do nothing
    returning force, name
)
insert into delivery_counts (force, destination)
select force, name from added
returning destination
