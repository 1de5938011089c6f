-- The registry: cameras, the feeds that carry them, the tokens of feeds, and the counts of each camera.
--
-- Every change locks the row of "registry" first. So changes follow one another, and "version" tells each replica of
-- ingest that the feeds in its memory are old.

create table registry (
    only_row boolean primary key default true check (only_row),
    version bigint not null
);
insert into registry (version) values (1);

create table feeds (
    force text not null,
    feed text not null,
    -- Only a digest is kept, so that a stolen database contains no usable token.
    token_sha256 bytea not null unique check (octet_length(token_sha256) = 32),
    token_issued_at timestamptz not null default present(),
    primary key (force, feed)
);

create table cameras (
    force text not null,
    camera_id text collate "C" not null,
    feed text not null,
    name text not null,
    -- As CameraKind in the contract.
    kind smallint not null,
    latitude double precision,
    longitude double precision,
    enabled boolean not null default true,
    enrolled_at timestamptz not null default present(),
    primary key (force, camera_id),
    foreign key (force, feed) references feeds (force, feed),
    check ((latitude is null) = (longitude is null))
);
create index cameras_feed on cameras (force, feed);

-- The result of each enrolment, so that a retry enrols nothing twice.
create table enrolments (
    force text not null,
    request_id uuid not null,
    request_sha256 bytea not null,
    created integer not null,
    updated integer not null,
    enrolled_at timestamptz not null default present(),
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
    -- As RejectionReason in the contract.
    reason smallint not null,
    reads bigint not null,
    primary key (force, camera_id, reason),
    foreign key (force, camera_id) references cameras (force, camera_id)
) with (fillfactor = 70);

call protect('feeds');
call protect('cameras');
call protect('enrolments');
call protect('deliveries');
call protect('rejections');

-- A token's force is known only after the token was found, so every replica reads the feeds of all forces. This function
-- is the only way to do that, and it runs as the owner of the schema.
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
grant select on registry to gantry_ingest;
grant update (version) on registry to gantry_ingest;
grant select (force, feed), insert, update (token_sha256, token_issued_at) on feeds to gantry_ingest;
grant select, insert, update (feed, name, kind, latitude, longitude, enabled) on cameras to gantry_ingest;
grant select, insert, update (accepted, duplicate, last_received_at, last_captured_at) on deliveries to gantry_ingest;
grant select, insert, update (reads) on rejections to gantry_ingest;
grant select, insert, delete on enrolments to gantry_ingest;
