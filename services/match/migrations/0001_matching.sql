-- Matching: how far each force's log is matched, its hotlists and entries, the alerts and who took them in hand.
--
-- A force's row in "matching" is locked by whoever raises an alert, acknowledges one or activates a hotlist. Alerts
-- and acknowledgements take their numbers from it, so numbers have no gaps and become visible in their order.
-- "generation" counts activations: a follower that matched against older lists cannot move the cursor any more.

create table matching (
    force text primary key,
    position bigint not null default 0,
    head bigint not null default 0,
    generation bigint not null default 0,
    last_number bigint not null default 0,
    alerts_raised bigint not null default 0,
    alerts_acknowledged bigint not null default 0
) with (fillfactor = 50);

create table hotlists (
    hotlist_no integer generated always as identity primary key,
    force text not null,
    name text not null,
    version integer not null,
    load_no bigint not null unique,
    near_matches boolean not null,
    entries bigint not null,
    activated_at timestamptz not null,
    imported_by text not null,
    unique (force, name)
);

-- What an import answered, so that a retry imports nothing twice.
create table imports (
    force text not null,
    request_id uuid not null,
    hotlist_no integer not null references hotlists,
    answer bytea not null,
    primary key (force, request_id)
);

-- A load is what one import brought. Its entries are a table of their own, which can be filled by COPY, indexed
-- afterwards, and dropped at once and without a trace when the list is replaced.
create table loads (
    load_no bigint generated always as identity primary key,
    force text not null,
    begun_at timestamptz not null default now()
);

create table entries (
    load_no bigint not null,
    folded_key bigint not null,
    weed_at timestamptz not null,
    line bigint not null,
    priority smallint not null,
    vrm text collate "C" not null,
    reason text not null,
    markers text not null,
    instruction text not null
) partition by list (load_no);

create table alerts (
    force text not null,
    number bigint not null,
    position bigint not null,
    captured_at timestamptz not null,
    raised_at timestamptz not null,
    hotlist_no integer not null references hotlists,
    priority smallint not null,
    near boolean not null,
    camera_id text not null,
    read_id text not null,
    entry_vrm text collate "C" not null,
    hotlist text not null,
    reason text not null,
    markers text not null,
    instruction text not null,
    read bytea not null,
    primary key (force, number),
    -- However often a read comes back, an entry alerts once.
    unique (force, camera_id, captured_at, read_id, hotlist_no, entry_vrm)
);

create table acknowledgements (
    force text not null,
    number bigint not null,
    alert_number bigint not null,
    acknowledged_at timestamptz not null,
    person text not null,
    note text not null,
    primary key (force, number),
    unique (force, alert_number),
    foreign key (force, alert_number) references alerts (force, number)
);

-- A transaction sees the forces that it has declared, and no others.
create function declared_forces() returns text[]
language sql stable parallel safe
return string_to_array(current_setting('gantry.forces', true), ',');

alter table hotlists enable row level security, force row level security;
alter table imports enable row level security, force row level security;
alter table loads enable row level security, force row level security;
alter table entries enable row level security, force row level security;
alter table alerts enable row level security, force row level security;
alter table acknowledgements enable row level security, force row level security;

create policy declared on hotlists using (force = any (declared_forces()));
create policy declared on imports using (force = any (declared_forces()));
create policy declared on loads using (force = any (declared_forces()));
create policy declared on entries using (load_no in (select load_no from loads));
create policy declared on alerts using (force = any (declared_forces()));
create policy declared on acknowledgements using (force = any (declared_forces()));

create function load_lock(the_load bigint) returns bigint
language sql immutable parallel safe
return hashtextextended('gantry match load ' || the_load, 0);

-- Begin a load: its table, which takes rows until it is sealed. The session keeps the load's lock, so that nobody
-- takes the load for one that a dead process left behind.
create function begin_load(the_force text) returns bigint
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    the_load bigint;
begin
    insert into loads (force) values (the_force) returning load_no into the_load;
    perform pg_advisory_lock(load_lock(the_load));
    execute format('create table %I (like entries including all, check (load_no = %s))',
                   'entries_' || the_load, the_load);
    execute format('grant insert on %I to gantry_match', 'entries_' || the_load);
    return the_load;
end $$;

-- Close a load: of entries with the same plate the last line stays; index, statistics, and then readers see it.
create function seal_load(the_load bigint, out entries bigint, out repeated bigint)
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    name text := 'entries_' || the_load;
begin
    perform from loads where load_no = the_load;
    if not found then
        raise exception 'no such load' using errcode = 'no_data_found';
    end if;
    execute format('revoke all on %I from gantry_match', name);
    repeated := 0;
    begin
        execute format('create unique index on %I (folded_key, vrm)', name);
    exception when unique_violation then
        execute format(
            'delete from %1$I entry using (select vrm, max(line) as line from %1$I group by vrm having count(*) > 1) last'
            ' where entry.vrm = last.vrm and entry.line < last.line', name);
        get diagnostics repeated = row_count;
        execute format('create unique index on %I (folded_key, vrm)', name);
    end;
    execute format('analyze %I', name);
    execute format('select count(*) from %I', name) into entries;
    execute format('alter table entries attach partition %I for values in (%s)', name, the_load);
end $$;

-- Drop a load that no hotlist uses and no import is filling. False when it has to stay, or is being read just now.
create function drop_load(the_load bigint) returns boolean
language plpgsql security definer set search_path = match, pg_temp set lock_timeout = '200ms' as $$
begin
    if not pg_try_advisory_xact_lock(load_lock(the_load)) then
        return false;
    end if;
    -- Both tables show the same forces: a load that is seen has its hotlist seen as well.
    perform from loads where load_no = the_load
        and not exists (select from hotlists where hotlists.load_no = loads.load_no) for update;
    if not found then
        return false;
    end if;
    execute format('drop table if exists %I', 'entries_' || the_load);
    delete from loads where load_no = the_load;
    return true;
exception when lock_not_available then
    return false;
end $$;

revoke all on function begin_load(text), seal_load(bigint), drop_load(bigint) from public;
grant execute on function begin_load(text), seal_load(bigint), drop_load(bigint) to gantry_match;

grant select, insert, update on matching, hotlists to gantry_match;
grant select, insert on imports, alerts, acknowledgements to gantry_match;
grant select on loads, entries to gantry_match;
