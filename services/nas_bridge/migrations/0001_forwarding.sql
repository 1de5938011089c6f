-- Forwarders with their cursors, the receipts of destinations, and the reads that destinations refused.

create table forwarders (
    position bigint not null default 0,
    head bigint not null default 0,
    delivered bigint not null default 0,
    dead_letters bigint not null default 0,
    -- Counts claims: a forwarder that lost its claim still has the old number, and its writes find no row.
    epoch bigint not null default 0,
    last_delivered_at timestamptz,
    -- As ForwarderState in gantry.bridge.v1: 1 running, 2 retrying, 3 stopped.
    state smallint not null default 1 check (state between 1 and 3),
    force text not null,
    destination text not null,
    last_error text not null default '',
    primary key (force, destination)
) with (fillfactor = 50);

create table receipts (
    first_position bigint not null,
    last_position bigint not null,
    received_at timestamptz not null default now(),
    accepted integer not null,
    duplicate integer not null,
    refused integer not null,
    force text not null,
    destination text not null,
    receipt_id text not null,
    traceparent text not null,
    primary key (force, destination, last_position)
);
create index receipts_received_at on receipts using brin (received_at);

create table dead_letters (
    position bigint not null,
    captured_at timestamptz not null,
    refused_at timestamptz not null default now(),
    force text not null,
    destination text not null,
    camera_id text not null,
    read_id text not null,
    reason text not null,
    message text not null,
    primary key (force, destination, position)
);

-- A transaction sees only the forces that it declared.
create function declared_forces() returns text[] language sql stable parallel safe
    return string_to_array(coalesce(current_setting('gantry.forces', true), ''), ',');

alter table forwarders enable row level security;
alter table forwarders force row level security;
create policy own_forces on forwarders using (force = any (declared_forces()));

alter table receipts enable row level security;
alter table receipts force row level security;
create policy own_forces on receipts using (force = any (declared_forces()));

alter table dead_letters enable row level security;
alter table dead_letters force row level security;
create policy own_forces on dead_letters using (force = any (declared_forces()));

grant usage on schema nas_bridge to gantry_nas_bridge;
grant select, insert, update on forwarders to gantry_nas_bridge;
grant select, insert, delete on receipts, dead_letters to gantry_nas_bridge;
