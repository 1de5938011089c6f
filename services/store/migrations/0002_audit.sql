-- The audit trail: one chain of records a force, which nobody can change through SQL, the owner included.

create table audit_chains (
    force_no smallint primary key references forces,
    -- The newest record and its hash; the lock on this row makes the chain one.
    number bigint not null default 0,
    hash bytea not null default '\x0000000000000000000000000000000000000000000000000000000000000000'
) with (fillfactor = 50);

create table audit_records (
    force_no smallint not null references forces,
    number bigint not null,
    recorded_at_us bigint not null,
    service text collate "C" not null,
    person text collate "C" not null,
    action smallint not null,
    reason text collate "C" not null,
    reference text collate "C" not null,
    subject text collate "C" not null,
    hash bytea not null,
    primary key (force_no, number)
);

alter table audit_records enable row level security;
alter table audit_records force row level security;
create policy named_forces on audit_records using (force_no = any (array(
    select f.force_no from forces f where f.force = any (string_to_array(current_setting('gantry.forces', true), ',')))));

create function refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception 'audit records are never changed or deleted' using errcode = 'insufficient_privilege';
end $$;

create trigger append_only before update or delete or truncate on audit_records
    for each statement execute function refuse_change();

grant select, insert on audit_records to gantry_store;
grant select, insert, update on audit_chains to gantry_store;
