-- The statement that lets a role connect to a database.
--   $1 database, $2 role
select format('grant connect on database %I to %I', $1::text, $2::text)
