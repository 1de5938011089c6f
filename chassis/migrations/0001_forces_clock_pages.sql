-- The common part of every service's schema: forces that a transaction declares, a clock, and keys of page tokens.

-- The codes of the forces that this transaction has declared in `gantry.forces`, separated by commas there.
create function declared_forces() returns text[]
language sql stable parallel safe
return string_to_array(coalesce(current_setting('gantry.forces', true), ''), ',');

-- Hide every row of a table for which `visible` is not true, from its owner too. The usual condition asks for a column
-- `force` with a declared code.
create procedure protect(target regclass, visible text default 'force = any (declared_forces())')
language plpgsql as $$
begin
    execute format('alter table %s enable row level security, force row level security', target);
    execute format('create policy declared on %s using (%s)', target, visible);
end
$$;

-- The time now, or the time that `gantry.present` holds: tests let months pass by it. All our SQL asks for it here.
create function present() returns timestamptz
language sql volatile parallel restricted
return coalesce(nullif(current_setting('gantry.present', true), '')::timestamptz, clock_timestamp());

-- The keys that sign page tokens: the newest signs, all of them verify. Replicas share them.
create table page_keys (
    key_no int primary key generated always as identity,
    key bytea not null check (length(key) >= 32),
    made_at timestamptz not null default present()
);

-- 244 random bits from the operating system.
insert into page_keys (key) values (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));

-- Only roles that may enter the schema get this far.
grant select on page_keys to public;
