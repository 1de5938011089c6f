-- Each line of a file is an entry of its own, with the vehicle as the list describes it. An alert merges the entries of a plate that
-- are in force, and carries what an operator needs to judge it. A load is kept by a row that expires and not by a session's lock, so a
-- frozen process holds nothing.
--
-- Services of the release before call the functions that they know: those are kept, and take the new rows as well.

alter table entries
    add column make text not null default '',
    add column model text not null default '',
    add column colour text not null default '',
    add column country text not null default '';

-- entries: the message Alert with only its field `entries`, serialised. late: as the service was set when the alert was raised.
alter table alerts
    add column entries bytea not null default '',
    add column camera_name text not null default '',
    add column late boolean not null default false;

-- A load belongs to the import that fills it until this time, and is then dropped unless a hotlist uses it. Imports of the release
-- before do not extend it.
alter table loads add column busy_until timestamptz not null default present() + interval '2 hours';

-- Begin a load: make its table, which takes rows until it is sealed. It is kept for `the_lease`; see keep_load.
create function begin_lines(the_force text, the_lease interval) returns bigint
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    the_load bigint;
begin
    insert into loads (force, busy_until) values (the_force, present() + the_lease) returning load_no into the_load;
    execute format('create table %I (like entries including all, check (load_no = %s))',
                   'entries_' || the_load, the_load);
    execute format('grant insert on %I to gantry_match', 'entries_' || the_load);
    return the_load;
end $$;

-- Keep a load for `the_lease` from now on; false when it was dropped. No time at all releases it.
create function keep_load(the_load bigint, the_lease interval) returns boolean
language plpgsql security definer set search_path = match, pg_temp as $$
begin
    update loads set busy_until = present() + the_lease where load_no = the_load;
    return found;
end $$;

-- Close a load: build its indexes and statistics, and show its entries to readers. `repeated`: lines whose plate an earlier line has.
-- `expired`: those that have passed their weed date.
create function seal_lines(
    the_load bigint, the_moment timestamptz, out entries bigint, out repeated bigint, out expired bigint
)
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    name text := 'entries_' || the_load;
begin
    perform from loads where load_no = the_load;
    if not found then
        raise exception 'no such load' using errcode = 'no_data_found';
    end if;
    execute format('revoke all on %I from gantry_match', name);
    -- Its import may have begun before these columns came.
    execute format('alter table %I %s', name, (
        select string_agg(format('add column if not exists %I text not null default ''''', column_name), ', ')
        from unnest(array['make', 'model', 'colour', 'country']) as column_name
    ));
    repeated := 0;
    begin
        execute format('create unique index on %I (folded_key, vrm)', name);
    exception when unique_violation then
        execute format('create index on %I (folded_key, vrm)', name);
        execute format(
            'select sum(lines - 1) from (select count(*) as lines from %I group by folded_key, vrm having count(*) > 1) as plates',
            name) into repeated;
    end;
    execute format('create index on %I (weed_at) where weed_at < ''infinity''', name);
    execute format('analyze %I', name);
    execute format('select count(*), count(*) filter (where weed_at <= $1) from %I', name)
    into entries, expired using the_moment;
    execute format('alter table entries attach partition %I for values in (%s)', name, the_load);
end $$;

-- Drop a load that no hotlist uses and no import is filling. False when it is in use or being read at the moment. While a
-- drop waits for its lock, look-ups queue behind it, so it gives up soon and a later call tries again.
create or replace function drop_load(the_load bigint) returns boolean
language plpgsql security definer set search_path = match, pg_temp set lock_timeout = '50ms' as $$
begin
    perform from loads where load_no = the_load and busy_until <= present() for update;
    if not found then
        return false;
    end if;
    -- Asked while the row is locked, so that an activation that has just committed is seen. The policies of both tables show the same
    -- forces: when the load is visible, so is its hotlist.
    perform from hotlists where load_no = the_load;
    if found then
        return false;
    end if;
    execute format('drop table if exists %I', 'entries_' || the_load);
    delete from loads where load_no = the_load;
    return true;
exception when lock_not_available then
    return false;
end $$;

-- For services of the release before: without a lock of their session, for as long as their longest import takes.
create or replace function begin_load(the_force text) returns bigint
language sql security definer set search_path = match, pg_temp
return begin_lines(the_force, interval '2 hours');

-- For services of the release before: every line stays.
create or replace function seal_load(the_load bigint, out entries bigint, out repeated bigint)
language sql security definer set search_path = match, pg_temp
begin atomic
    select sealed.entries, sealed.repeated from seal_lines(the_load, present()) as sealed;
end;

-- For services of the release before, which take the first entry of a plate: the strongest comes first.
create or replace function find_entries(the_force text, the_loads bigint[], the_keys bigint[], the_moment timestamptz)
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
        where load_no = any (the_loads) and folded_key = any (the_keys) and weed_at > the_moment
        order by priority, line;
end $$;

drop function load_lock(bigint);

-- The entries of active hotlists that have one of these folded keys and are not past their weed date, in no order; weed_at is null where
-- an entry never ends. One round trip between a read and its alert: the function declares the force for its transaction and runs with
-- the rights of the caller. Its plan must not depend on statistics: a table that was empty when they were gathered grows by the minute.
create function find_lines(the_force text, the_loads bigint[], the_keys bigint[], the_moment timestamptz)
returns table (
    hotlist_no integer, hotlist text, near_matches boolean, folded_key bigint, vrm text, line bigint, weed_at timestamptz,
    priority smallint, reason text, markers text, instruction text, make text, model text, colour text, country text
)
language plpgsql set enable_seqscan = off as $$
#variable_conflict use_column
begin
    perform set_config('gantry.forces', the_force, true);
    return query
        select hotlist_no, name, near_matches, folded_key, vrm, line, nullif(weed_at, 'infinity'),
            priority, reason, markers, instruction, make, model, colour, country
        from entries join hotlists using (load_no)
        where load_no = any (the_loads) and folded_key = any (the_keys) and weed_at > the_moment;
end $$;

-- Append alerts that were not raised before, with their events. Returns for each given alert its number, or null where it was raised
-- before.
create function append_alerts(
    the_force text, the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
    priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[], entrieses bytea[],
    camera_names text[], lates boolean[]
) returns bigint[]
language plpgsql set enable_seqscan = off as $$
#variable_conflict use_column
declare
    last bigint;
    numbers bigint[];
    raised bigint;
begin
    -- While this row is locked no other transaction raises or numbers, so an alert that is not visible now is new.
    select last_number into last from alert_sequences where force = the_force for update;
    if not found then
        insert into alert_sequences (force) values (the_force) on conflict do nothing;
        select last_number into last from alert_sequences where force = the_force for update;
    end if;
    with given as (
        select * from unnest(
            positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
            entry_vrms, hotlists, reasons, markerses, instructions, reads, entrieses, camera_names, lates
        ) with ordinality as given (
            position, captured_at, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read, entries, camera_name, late, index
        )
    ), fresh as (
        select given.*, last + row_number() over (order by index) as number from given
        where not exists (
            select from alerts known
            where known.force = the_force and known.camera_id = given.camera_id
                and known.captured_at = given.captured_at and known.read_id = given.read_id
                and known.hotlist_no = given.hotlist_no and known.entry_vrm = given.entry_vrm
        )
    ), inserted as (
        insert into alerts (
            force, number, position, captured_at, raised_at, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read, entries, camera_name, late
        )
        select the_force, number, position, captured_at, the_moment, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read, entries, camera_name, late
        from fresh
    ), told as (
        insert into alert_events (force, number, at, kind, alert_number)
        select the_force, number, the_moment, 1, number from fresh
    )
    select array_agg(fresh.number order by given.index), count(fresh.number) into numbers, raised
    from given left join fresh on fresh.index = given.index;
    if raised > 0 then
        update alert_sequences
        set last_number = last + raised, alerts_raised = alerts_raised + raised, alerts_open = alerts_open + raised
        where force = the_force;
    end if;
    return coalesce(numbers, '{}');
end $$;

-- For services of the release before.
create or replace function append_alerts(
    the_force text, the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
    priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[]
) returns bigint[]
language sql
begin atomic
    select append_alerts(
        the_force, the_moment, positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
        entry_vrms, hotlists, reasons, markerses, instructions, reads,
        array_fill(''::bytea, array[cardinality(positions)]), array_fill(''::text, array[cardinality(positions)]),
        array_fill(false, array[cardinality(positions)])
    );
end;

-- Append alerts and move the cursor of the line that matched their reads: one round trip, after the one that looked up the entries.
-- Returns what append_alerts does; null when the line's owner or cursor has changed; then nothing was written. An
-- activation of a hotlist gives the line a new epoch, so reads that were matched against the lists before it are refused too.
create function raise_alerts(
    the_force text, the_line text, the_epoch bigint, the_cursor text, old_position bigint, new_position bigint,
    new_head bigint, the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
    priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[], entrieses bytea[],
    camera_names text[], lates boolean[]
) returns bigint[]
language plpgsql as $$
begin
    perform set_config('gantry.forces', the_force, true);
    if not advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head) then
        return null;
    end if;
    return append_alerts(
        the_force, the_moment, positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
        entry_vrms, hotlists, reasons, markerses, instructions, reads, entrieses, camera_names, lates
    );
end $$;

revoke all on function begin_lines(text, interval), keep_load(bigint, interval), seal_lines(bigint, timestamptz) from public;
grant execute on function begin_lines(text, interval), keep_load(bigint, interval), seal_lines(bigint, timestamptz) to gantry_match;
