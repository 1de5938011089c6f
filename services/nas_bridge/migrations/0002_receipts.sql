-- Receipts of destinations, and the reads that destinations refused.

create table receipts (
    first_position bigint not null,
    last_position bigint not null,
    received_at timestamptz not null default present(),
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
    refused_at timestamptz not null default present(),
    force text not null,
    destination text not null,
    camera_id text not null,
    read_id text not null,
    reason text not null,
    message text not null,
    primary key (force, destination, position)
);

call protect('receipts');
call protect('dead_letters');

grant select, insert, delete on receipts, dead_letters to gantry_nas_bridge;
