-- Whether a role is there.
--   $1 name
select exists (select from pg_roles where rolname = $1)
