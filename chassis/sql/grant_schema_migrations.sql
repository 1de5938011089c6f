-- Let the runtime role check the schema it runs on; usage of the schema is the real gate.
--   no parameters
grant select on schema_migrations to public
