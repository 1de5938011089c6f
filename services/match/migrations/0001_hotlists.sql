-- Hotlists and their entries. Each import brings a load: a table of its own, which is filled by COPY, indexed afterwards, and
-- dropped as a whole when another load replaces it.

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

-- The answers of imports, so that a retry with the same request id imports once and gets the same answer.
create table imports (
    force text not null,
    request_id uuid not null,
    hotlist_no integer not null references hotlists,
    answer bytea not null,
    primary key (force, request_id)
);

create table loads (
    load_no bigint generated always as identity primary key,
    force text not null,
    begun_at timestamptz not null default present()
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

call protect('hotlists');
call protect('imports');
call protect('loads');
call protect('entries', 'load_no in (select load_no from loads)');

create function load_lock(the_load bigint) returns bigint
language sql immutable parallel safe
return hashtextextended('gantry match load ' || the_load, 0);

-- Begin a load: make its table, which takes rows until it is sealed. The session holds the load's lock, so that other
-- sessions can tell a load that is being filled from one that a dead process left behind.
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

-- Close a load: delete repeated plates except for their last line, build the index and the statistics, and show the
-- entries to readers.
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

-- Drop a load that no hotlist uses and no import is filling. False when it is in use or being read at the moment. While a
-- drop waits for its lock, look-ups queue behind it, so it gives up soon and a later call tries again.
create function drop_load(the_load bigint) returns boolean
language plpgsql security definer set search_path = match, pg_temp set lock_timeout = '50ms' as $$
begin
    if not pg_try_advisory_xact_lock(load_lock(the_load)) then
        return false;
    end if;
    -- The policies of both tables show the same forces: when the load is visible, so is its hotlist.
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

-- The entries of active hotlists that have one of these folded keys and are not past their weed date. One round trip between a read
-- and its alert: the function declares the force for its transaction and runs with the rights of the caller. Its plan must
-- not depend on statistics: a table that was empty when they were gathered grows by the minute.
create function find_entries(the_force text, the_loads bigint[], the_keys bigint[], the_moment timestamptz)
returns table (
    hotlist_no integer, hotlist text, near_matches boolean, folded_key bigint, vrm text, reason text,
    priority smallint, markers text, instruction text
)
language plpgsql set enable_seqscan = off as $$
#variable_conflict use_column
begin
    perform set_config('gantry.forces', the_force, true);
    return query
        select hotlist_no, name, near_matches, folded_key, vrm, reason, priority, markers, instruction
        from entries join hotlists using (load_no)
        where load_no = any (the_loads) and folded_key = any (the_keys) and weed_at > the_moment;
end $$;

revoke all on function begin_load(text), seal_load(bigint), drop_load(bigint) from public;
grant execute on function begin_load(text), seal_load(bigint), drop_load(bigint) to gantry_match;

grant select, insert, update on hotlists to gantry_match;
grant select, insert on imports to gantry_match;
grant select on loads, entries to gantry_match;
