-- Let one migrator of the current schema work at a time, until the transaction ends. It waits for as long as another one works;
-- PostgreSQL ends the transaction of a frozen one.
--   no parameters
set local lock_timeout = 0;
lock table schema_migrations in share row exclusive mode;
set local lock_timeout = default
