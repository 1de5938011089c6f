-- The statement that takes from all roles of a database what belongs to the database as a whole: advisory locks and large objects. A session may
-- still release its own locks, as pools do. Null when that was done before.
--   no parameters
select string_agg(format('revoke execute on function %s from public', oid::regprocedure), '; ')
from pg_proc
where pronamespace = 'pg_catalog'::regnamespace
    and has_function_privilege('public', oid, 'execute')
    and proname <> 'pg_advisory_unlock_all'
    and (proname like 'pg%advisory%'
        or proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_export', 'lo_open', 'lo_close', 'lo_put', 'lo_get',
            'lo_unlink', 'lo_truncate', 'lo_truncate64', 'lo_lseek', 'lo_lseek64', 'lo_tell', 'lo_tell64', 'loread', 'lowrite'))
