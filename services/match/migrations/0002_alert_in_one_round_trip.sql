-- Between a read and its alert every round trip counts: one to find the entries, one to raise the alerts.
-- Both declare the force for their own transaction and run with the rights of the caller. Their plans must not
-- depend on when statistics were last gathered: a young table that was planned for as empty grows by the minute.

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

-- Raise the alerts that were not raised before, number them without gaps, and move the cursor. Returns for each
-- alert given its number, or null where it was raised before; null instead of a list when the cursor was moved by
-- another or the hotlists changed, and then nothing was done.
create function raise_alerts(
    the_force text, old_position bigint, old_generation bigint, new_position bigint, new_head bigint,
    the_moment timestamptz, positions bigint[], captured_ats timestamptz[], hotlist_nos integer[],
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
    perform set_config('gantry.forces', the_force, true);
    -- Under this lock nobody else raises or numbers, so what is not there yet will not come meanwhile.
    select last_number into last from matching
    where force = the_force and position = old_position and generation = old_generation for update;
    if not found then
        return null;
    end if;
    with given as (
        select * from unnest(
            positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
            entry_vrms, hotlists, reasons, markerses, instructions, reads
        ) with ordinality as given (
            position, captured_at, hotlist_no, priority, near, camera_id, read_id,
            entry_vrm, hotlist, reason, markers, instruction, read, place
        )
    ), fresh as (
        select given.*, last + row_number() over (order by place) as number from given
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
    )
    select array_agg(fresh.number order by given.place), count(fresh.number) into numbers, raised
    from given left join fresh on fresh.place = given.place;
    update matching
    set position = new_position, head = new_head, last_number = last + raised,
        alerts_raised = alerts_raised + raised
    where force = the_force;
    if raised > 0 then
        perform pg_notify('gantry_match_alerts', the_force || ' ' || last + raised);
    end if;
    return numbers;
end $$;
