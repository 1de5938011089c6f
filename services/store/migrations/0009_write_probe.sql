-- A row that belongs to no force. Readiness writes it, and so tells whether anything can be written, whatever holds the row of a force.

create table write_probe (
    only_one boolean primary key default true check (only_one),
    written_at timestamptz not null
);
insert into write_probe (written_at) values (now());
grant select, update on write_probe to gantry_store;
