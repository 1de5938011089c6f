-- The statement that makes a role that may log in and nothing else (names cannot be parameters of it).
--   $1 name, $2 SCRAM verifier of its password, $3 schema that its unqualified names mean
select format(
    'create role %1$I login noinherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls password %2$L;'
    ' alter role %1$I set search_path = %3$I',
    $1::text, $2::text, $3::text
)
