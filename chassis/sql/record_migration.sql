-- Record that a migration was applied, in the transaction that applied it.
--   $1 file name, $2 sha256 of its text in hex
insert into schema_migrations (name, sha256) values ($1, $2)
