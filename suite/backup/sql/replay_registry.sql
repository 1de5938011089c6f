-- Give the registry a version that is newer than any that was seen.
--   $1 version
update ingest.registry set version = greatest(version, $1) + 1
