-- How often the reads of each camera had a remark, and how cameras are mounted for the replicas' memory.

create table warnings (
    force text not null,
    camera_id text collate "C" not null,
    -- As WarningReason in the contract.
    reason smallint not null,
    reads bigint not null,
    primary key (force, camera_id, reason),
    foreign key (force, camera_id) references cameras (force, camera_id)
) with (fillfactor = 70);
call protect('warnings');
grant select, insert, update (reads) on warnings to gantry_ingest;

-- As whole_registry(), which the release before this one calls, with the kind of each camera.
create function registry_of_all_forces() returns table (
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
revoke execute on function registry_of_all_forces() from public;
grant execute on function registry_of_all_forces() to gantry_ingest;
