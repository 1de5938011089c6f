-- Wait until no other migrator works on a schema, then keep others out until unlocked.
--   $1 schema name
select pg_advisory_lock(hashtextextended('gantry migrations ' || $1::text, 0))
