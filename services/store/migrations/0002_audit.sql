-- The audit trail: one chain of records a force. SQL cannot change a record, not even as the owner of the table.
--
-- A chain belongs to the code of a force, not to its row: the request to create a force is recorded before the force exists.

create table audit_chains (
    force text collate "C" primary key check (force ~ '^[a-z][a-z0-9-]{0,31}$'),
    -- The newest record and its hash. A transaction that adds a record holds the lock on this row until its commit.
    number bigint not null default 0,
    hash bytea not null default '\x0000000000000000000000000000000000000000000000000000000000000000'
) with (fillfactor = 50);

create table audit_records (
    force text collate "C" not null references audit_chains,
    number bigint not null,
    recorded_at_us bigint not null,
    service text collate "C" not null,
    person text collate "C" not null,
    -- As gantry.common.v1.AuditAction.
    action smallint not null,
    -- The purpose, as gantry.common.v1.Purpose; empty texts where the RPC asks for none.
    code text collate "C" not null,
    reference text collate "C" not null,
    justification text collate "C" not null,
    approval_id text collate "C" not null,
    subject text collate "C" not null,
    hash bytea not null,
    primary key (force, number)
);

call protect('audit_chains');
call protect('audit_records');

create function refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception 'audit records are never changed or deleted' using errcode = 'insufficient_privilege';
end $$;

create trigger append_only before update or delete or truncate on audit_records
    for each statement execute function refuse_change();

grant select, insert on audit_records to gantry_store;
grant select, insert, update (number, hash) on audit_chains to gantry_store;
