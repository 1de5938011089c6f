-- The feeds of canaries, for replicas that know what a canary is.

-- Every feed with its cameras, as registry_of_all_forces() returned it.
create function registry_with_canaries() returns table (
    version bigint, force text, feed text, token_sha256 bytea,
    camera_id text, enabled boolean, kind smallint, latitude double precision, longitude double precision
)
language sql stable security definer set search_path = ingest, pg_temp
begin atomic
    select registry.version, feeds.force, feeds.feed, feeds.token_sha256,
           cameras.camera_id, cameras.enabled, cameras.kind, cameras.latitude, cameras.longitude
    from registry
    left join feeds on true
    left join cameras on cameras.force = feeds.force and cameras.feed = feeds.feed;
end;
revoke execute on function registry_with_canaries() from public;
grant execute on function registry_with_canaries() to gantry_ingest;

-- Earlier releases call the two functions below. They would store a canary as a read of the force, so they do not get the
-- tokens of canaries: such a token is unknown to them.
create or replace function registry_of_all_forces() returns table (
    version bigint, force text, feed text, token_sha256 bytea,
    camera_id text, enabled boolean, kind smallint, latitude double precision, longitude double precision
)
language sql stable security definer set search_path = ingest, pg_temp
begin atomic
    select registry.version, found.force, found.feed, found.token_sha256,
           found.camera_id, found.enabled, found.kind, found.latitude, found.longitude
    from registry
    left join registry_with_canaries() as found on found.feed <> 'gantry-canary';
end;

create or replace function whole_registry() returns table (
    version bigint, force text, feed text, token_sha256 bytea,
    camera_id text, enabled boolean, latitude double precision, longitude double precision
)
language sql stable security definer set search_path = ingest, pg_temp
begin atomic
    select found.version, found.force, found.feed, found.token_sha256,
           found.camera_id, found.enabled, found.latitude, found.longitude
    from registry_of_all_forces() as found;
end;
