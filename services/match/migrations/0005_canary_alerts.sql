-- Alerts of canaries: rows of the same tables, in a sequence of events of its own for each force. The numbers of the force's events have no gap,
-- and whoever declares the force sees nothing of them.

-- Append alerts of canaries to `the_sequence` and move the cursor of the force's line that matched their reads: one transaction, in which each
-- half sees only its own rows. Otherwise as raise_alerts: null when the line's owner or cursor has changed; then nothing was written.
create function raise_canary_alerts(
    the_force text, the_line text, the_epoch bigint, the_cursor text, old_position bigint, new_position bigint,
    new_head bigint, the_sequence text, the_moment timestamptz, positions bigint[], captured_ats timestamptz[],
    hotlist_nos integer[], priorities smallint[], nears boolean[], camera_ids text[], read_ids text[], entry_vrms text[],
    hotlists text[], reasons text[], markerses text[], instructions text[], reads bytea[], entrieses bytea[],
    camera_names text[], lates boolean[]
) returns bigint[]
language plpgsql as $$
begin
    perform set_config('gantry.forces', the_force, true);
    if not advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head) then
        return null;
    end if;
    perform set_config('gantry.forces', the_sequence, true);
    return append_alerts(
        the_sequence, the_moment, positions, captured_ats, hotlist_nos, priorities, nears, camera_ids, read_ids,
        entry_vrms, hotlists, reasons, markerses, instructions, reads, entrieses, camera_names, lates
    );
end $$;
