-- Make the list of applied migrations in the current schema, once.
--   no parameters
create table if not exists schema_migrations (
    name text primary key,
    sha256 text not null,
    applied_at timestamptz not null default now()
)
