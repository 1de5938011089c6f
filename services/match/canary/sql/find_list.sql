-- The canary's hotlist of a force; no row before it was ever imported.
--   $1 force, $2 name of the canary's hotlist
select version, entries, imported_by from hotlists where force = $1 and name = $2
