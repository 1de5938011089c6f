-- Who we are, and whether we may do anything.
--   no parameters
select rolname, rolsuper from pg_roles where rolname = current_user
