-- Destinations of forces. What shall become of a destination, and how far it has got, is in its line (tables of `following`).

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

-- How each destination's forwarder fares. Written with every delivery, so apart from the settings.
create table forwarders (
    delivered bigint not null default 0,
    dead_letters bigint not null default 0,
    last_delivered_at timestamptz,
    -- Since when it has taken nothing although there was something to deliver; null while it takes.
    failing_since timestamptz,
    force text not null,
    destination text not null,
    last_error text not null default '',
    primary key (force, destination)
) with (fillfactor = 50);

call protect('destinations');
call protect('forwarders');

grant usage on schema nas_bridge to gantry_nas_bridge;
grant select, insert, update on destinations, forwarders to gantry_nas_bridge;
