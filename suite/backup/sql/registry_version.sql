-- The version of the registry of cameras and feeds.
select version from ingest.registry
