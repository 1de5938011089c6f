-- Writes down a delivery in one statement, so that a process that freezes in the middle of it holds no lock.

create function record_delivery(
    the_force text, the_line text, the_epoch bigint, the_cursor text,
    old_position bigint, new_position bigint, new_head bigint,
    the_receipt_id text, the_first_position bigint, the_last_position bigint,
    the_accepted integer, the_duplicate integer, the_traceparent text,
    positions bigint[], camera_ids text[], read_ids text[], captured timestamptz[], reasons text[], messages text[]
) returns boolean language plpgsql as $$
declare
    taken constant integer := the_accepted + the_duplicate;
begin
    perform set_config('gantry.forces', the_force, true);
    if not advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head) then
        return false;
    end if;
    update delivery_counts set
        delivered = delivered + taken,
        dead_letters = dead_letters + cardinality(positions),
        last_delivered_at = case when taken > 0 then present() else last_delivered_at end
    where force = the_force and destination = the_line;
    insert into receipts (
        force, destination, first_position, last_position, receipt_id, accepted, duplicate, refused, traceparent
    ) values (
        the_force, the_line, the_first_position, the_last_position, the_receipt_id, the_accepted, the_duplicate,
        cardinality(positions), the_traceparent
    );
    insert into dead_letters (force, destination, position, camera_id, read_id, captured_at, reason, message)
    select the_force, the_line, letter.*
    from unnest(positions, camera_ids, read_ids, captured, reasons, messages) as letter;
    return true;
end
$$;

grant execute on function record_delivery to gantry_nas_bridge;
