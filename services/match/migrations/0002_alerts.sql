-- Alerts and their events: one append-only sequence of events for each force, numbered from 1 without gaps.
--
-- A force's row in alert_sequences is locked by every transaction that adds events, so events become visible in the order of
-- their numbers.

create table alert_sequences (
    force text primary key,
    last_number bigint not null default 0,
    alerts_raised bigint not null default 0,
    alerts_open bigint not null default 0
) with (fillfactor = 50);

-- An alert has the number of the event that raised it.
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
    -- Copied from the event by which a person took it in hand, so that a page of alerts is read from this table alone.
    acknowledged_number bigint,
    acknowledged_at timestamptz,
    acknowledged_by text,
    acknowledged_note text,
    primary key (force, number),
    -- A read that is in the log twice raises one alert for each entry.
    unique (force, camera_id, captured_at, read_id, hotlist_no, entry_vrm)
);
create index alerts_by_age on alerts (force, raised_at, number);
create index open_alerts on alerts (force, raised_at, number) where acknowledged_number is null;

-- kind: 1 raised, 2 acknowledged (has person and note).
create table alert_events (
    force text not null,
    number bigint not null,
    at timestamptz not null,
    kind smallint not null check (kind in (1, 2)),
    alert_number bigint not null,
    person text check ((kind = 2) = (person is not null)),
    note text check ((kind = 2) = (note is not null)),
    primary key (force, number),
    foreign key (force, alert_number) references alerts (force, number)
);
create index events_of_alert on alert_events (force, alert_number);

call protect('alert_sequences');
call protect('alerts');
call protect('alert_events');

-- Append alerts that were not raised before, with their events. Returns for each given alert its number, or null where it was raised
-- before.
create function append_alerts(
    the_force text, the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
    priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[]
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
            entry_vrms, hotlists, reasons, markerses, instructions, reads
        ) with ordinality as given (
            position, captured_at, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read, index
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
            entry_vrm, hotlist, reason, markers, instruction, read
        )
        select the_force, number, position, captured_at, the_moment, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read
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

-- Append alerts and move the cursor of the line that matched their reads: one round trip, after the one that looked up the entries.
-- Returns what append_alerts does; null when the line's owner or cursor has changed; then nothing was written. An
-- activation of a hotlist gives the line a new epoch, so reads that were matched against the lists before it are refused too.
create function raise_alerts(
    the_force text, the_line text, the_epoch bigint, the_cursor text, old_position bigint, new_position bigint,
    new_head bigint, the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
    priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[]
) returns bigint[]
language plpgsql as $$
begin
    perform set_config('gantry.forces', the_force, true);
    if not advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head) then
        return null;
    end if;
    return append_alerts(
        the_force, the_moment, positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
        entry_vrms, hotlists, reasons, markerses, instructions, reads
    );
end $$;

-- Append the event that a person took an alert in hand, unless an earlier one stands. Returns the event that stands and whether
-- it is new; nulls when the force has no such alert. Alerts themselves cannot be updated by the service.
create function acknowledge_alert(
    the_force text, the_alert bigint, the_person text, the_note text, the_moment timestamptz,
    out number bigint, out at timestamptz, out person text, out note text, out is_new boolean
)
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    last bigint;
begin
    select last_number into last from alert_sequences where force = the_force for update;
    update alerts set acknowledged_number = last + 1, acknowledged_at = the_moment, acknowledged_by = the_person,
        acknowledged_note = the_note
    where force = the_force and alerts.number = the_alert and acknowledged_number is null;
    is_new := found;
    if is_new then
        insert into alert_events (force, number, at, kind, alert_number, person, note)
        values (the_force, last + 1, the_moment, 2, the_alert, the_person, the_note);
        update alert_sequences set last_number = last + 1, alerts_open = alerts_open - 1 where force = the_force;
    end if;
    select acknowledged_number, acknowledged_at, acknowledged_by, acknowledged_note into number, at, person, note
    from alerts where force = the_force and alerts.number = the_alert;
end $$;

-- Delete the oldest alerts raised before a moment, with their events. Returns how many, and how many of them were open. The
-- service cannot delete otherwise, and this function deletes nothing that is younger than a week.
create function delete_old_alerts(
    the_force text, raised_before timestamptz, most bigint, out deleted bigint, out lapsed bigint
)
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    numbers bigint[];
begin
    perform from alert_sequences where force = the_force for update;
    select array_agg(number), count(*), count(*) filter (where acknowledged_number is null)
    into numbers, deleted, lapsed
    from (
        select number, acknowledged_number from alerts
        where force = the_force and raised_at < least(raised_before, present() - interval '7 days')
        order by raised_at limit most
    ) as old;
    delete from alert_events where force = the_force and alert_number = any (numbers);
    delete from alerts where force = the_force and number = any (numbers);
    update alert_sequences set alerts_open = alerts_open - lapsed where force = the_force and lapsed > 0;
end $$;

revoke all on function acknowledge_alert(text, bigint, text, text, timestamptz) from public;
revoke all on function delete_old_alerts(text, timestamptz, bigint) from public;
grant execute on function acknowledge_alert(text, bigint, text, text, timestamptz) to gantry_match;
grant execute on function delete_old_alerts(text, timestamptz, bigint) to gantry_match;

grant select, insert, update on alert_sequences to gantry_match;
grant select, insert on alerts, alert_events to gantry_match;
