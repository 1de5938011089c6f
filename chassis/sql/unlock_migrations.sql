-- Let the next migrator of a schema in.
--   $1 schema name
select pg_advisory_unlock(hashtextextended('gantry migrations ' || $1::text, 0))
