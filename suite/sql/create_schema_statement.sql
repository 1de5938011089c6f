-- The statement that makes a service's schema, which its owner role fills and its runtime role may enter.
--   $1 schema, $2 owner role, $3 runtime role
select format(
    'create schema if not exists %1$I authorization %2$I; grant usage on schema %1$I to %3$I',
    $1::text, $2::text, $3::text
)
