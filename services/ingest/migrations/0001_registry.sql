-- The registry: which cameras there are, which feed carries them, whose token delivers, and how each camera does.
--
-- The row of "registry" is locked first by every change, so that changes follow one another and "version" tells
-- each replica of ingest that what it holds in memory is old.

create table registry (
    only_row boolean primary key default true check (only_row),
    version bigint not null
);
insert into registry (version) values (1);

create table feeds (
    force text not null,
    feed text not null,
    -- Only a digest is kept: what a thief finds here delivers nothing.
    token_sha256 bytea not null unique check (octet_length(token_sha256) = 32),
    token_issued_at timestamptz not null default now(),
    primary key (force, feed)
);

create table cameras (
    force text not null,
    camera_id text collate "C" not null,
    feed text not null,
    name text not null,
    kind smallint not null,
    latitude double precision,
    longitude double precision,
    enabled boolean not null default true,
    enrolled_at timestamptz not null default now(),
    primary key (force, camera_id),
    foreign key (force, feed) references feeds (force, feed),
    check ((latitude is null) = (longitude is null))
);
create index cameras_feed on cameras (force, feed);

-- What an enrolment answered, so that a retry enrols nothing twice.
create table enrolments (
    force text not null,
    request_id uuid not null,
    request_sha256 bytea not null,
    created integer not null,
    updated integer not null,
    enrolled_at timestamptz not null default now(),
    primary key (force, request_id)
);

create table deliveries (
    force text not null,
    camera_id text collate "C" not null,
    accepted bigint not null,
    duplicate bigint not null,
    last_received_at timestamptz,
    last_captured_at timestamptz,
    primary key (force, camera_id),
    foreign key (force, camera_id) references cameras (force, camera_id)
) with (fillfactor = 70);

create table rejections (
    force text not null,
    camera_id text collate "C" not null,
    reason smallint not null,
    reads bigint not null,
    primary key (force, camera_id, reason),
    foreign key (force, camera_id) references cameras (force, camera_id)
) with (fillfactor = 70);

-- A transaction sees the forces that it has declared, and no others.
create function declared_forces() returns text[]
language sql stable parallel safe
return string_to_array(coalesce(current_setting('gantry.forces', true), ''), ',');

alter table feeds enable row level security, force row level security;
alter table cameras enable row level security, force row level security;
alter table enrolments enable row level security, force row level security;
alter table deliveries enable row level security, force row level security;
alter table rejections enable row level security, force row level security;

create policy declared on feeds using (force = any (declared_forces()));
create policy declared on cameras using (force = any (declared_forces()));
create policy declared on enrolments using (force = any (declared_forces()));
create policy declared on deliveries using (force = any (declared_forces()));
create policy declared on rejections using (force = any (declared_forces()));

-- The door must know every feed before it knows whose it is. It may ask for that in this one way only.
create policy whole on feeds for select to gantry_ingest_owner using (true);
create policy whole on cameras for select to gantry_ingest_owner using (true);

create function whole_registry() returns table (
    version bigint, force text, feed text, token_sha256 bytea,
    camera_id text, enabled boolean, latitude double precision, longitude double precision
)
language sql stable security definer set search_path = ingest, pg_temp
begin atomic
    select registry.version, feeds.force, feeds.feed, feeds.token_sha256,
           cameras.camera_id, cameras.enabled, cameras.latitude, cameras.longitude
    from registry
    left join feeds on true
    left join cameras on cameras.force = feeds.force and cameras.feed = feeds.feed;
end;
revoke execute on function whole_registry() from public;

grant usage on schema ingest to gantry_ingest;
grant execute on function whole_registry() to gantry_ingest;
grant select, update on registry to gantry_ingest;
grant select, insert, update on feeds, cameras, deliveries, rejections to gantry_ingest;
grant select, insert, delete on enrolments to gantry_ingest;
