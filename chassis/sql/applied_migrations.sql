-- List the migrations that the current schema has had.
--   no parameters
select name, sha256 from schema_migrations order by name
