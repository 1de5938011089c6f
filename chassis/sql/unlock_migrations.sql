-- Release the lock of the migrators of a schema.
--   $1 schema name
select pg_advisory_unlock(hashtextextended('gantry migrations ' || $1::text, 0))
