-- Let the runtime role check the schema it runs on; access to the schema is what limits it.
--   no parameters
grant select on schema_migrations to public
