-- The statement that lets an owner of a schema take the lock with which the migrators of the release before take turns.
--   $1 role
select format(
    'grant execute on function pg_catalog.pg_advisory_lock(bigint), pg_catalog.pg_advisory_unlock(bigint) to %I', $1::text)
