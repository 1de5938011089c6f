-- Lock the registry for a change, give it a new version, and tell every replica when the change commits.
--   $1 channel
with changed as (update registry set version = version + 1 returning version)
select version, pg_notify($1, version::text) from changed
