-- Destinations of forces. The desired state and the cursor of a destination are in its line (tables of `following`).

create table destinations (
    timeout_seconds double precision not null,
    created_at timestamptz not null default present(),
    most_reads integer not null,
    -- As DestinationImages in gantry.bridge.v1: 1 none, 2 plate patch, 3 both.
    images smallint not null check (images between 1 and 3),
    -- Whether the store may have the destination registered as a consumer.
    registered boolean not null default false,
    force text not null,
    name text not null,
    adapter text not null,
    identity text not null,
    server_name text not null,
    options jsonb not null,
    primary key (force, name)
);

-- The reads that each destination has accepted. Written with every delivery, and therefore apart from the settings.
create table delivery_counts (
    delivered bigint not null default 0,
    dead_letters bigint not null default 0,
    last_delivered_at timestamptz,
    force text not null,
    destination text not null,
    primary key (force, destination)
) with (fillfactor = 50);

call protect('destinations');
call protect('delivery_counts');

grant usage on schema nas_bridge to gantry_nas_bridge;
grant select, insert, update on destinations, delivery_counts to gantry_nas_bridge;
