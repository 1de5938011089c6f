-- What was withdrawn and revoked up to now, as JSON: tokens of feeds, cameras switched off, versions of hotlists, retired forces and destinations,
-- and where each audit chain ends. As a superuser, who sees the rows of all forces.
--   $1 name of the canary's hotlist: nothing is ever withdrawn from it, and nobody could import it again
select json_build_object(
    'registry', (select version from ingest.registry),
    'feeds', (select coalesce(json_agg(json_build_array(force, feed, encode(token_sha256, 'hex')) order by force, feed), '[]') from ingest.feeds),
    'disabled', (
        select coalesce(json_agg(json_build_array(force, camera_id) order by force, camera_id), '[]') from ingest.cameras where not enabled),
    'hotlists', (select coalesce(json_agg(json_build_array(force, name, version) order by force, name), '[]') from match.hotlists where name <> $1),
    'retired', (select coalesce(json_agg(force order by force), '[]') from store.forces where state = 2),
    'destinations', (
        select coalesce(json_agg(json_build_array(force, line, state = 6) order by force, line), '[]')
        from nas_bridge.lines where state = 6 or paused),
    'audit', (select coalesce(json_agg(json_build_array(force, number, encode(hash, 'hex')) order by force), '[]') from store.audit_chains)
)::text
