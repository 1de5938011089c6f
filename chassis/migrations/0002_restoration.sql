-- Whether the database was restored from a backup. A restore adds the row while no service runs: the data may include what was deleted since
-- the backup. The service deletes the row when it has deleted that again. Until then it refuses the RPCs whose access rule says so.

create table restoration (
    only_row boolean primary key default true check (only_row),
    restored_at timestamptz not null default present(),
    -- For the audit trail: what was restored, and what was replayed.
    subject text not null
);

-- Only roles that may enter the schema get this far.
grant select, delete on restoration to public;
