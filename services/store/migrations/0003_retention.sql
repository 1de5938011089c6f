-- Retention: the purges, and the functions that delete. There is no other way to delete.

create table purges (
    purge_no bigint generated always as identity primary key,
    force_no smallint not null references forces,
    -- Null: late reads, from the partition `older`.
    day date,
    -- The reads of the day up to this position were deleted.
    last_position bigint not null,
    reads bigint not null,
    image_objects bigint not null,
    digest bytea not null,
    dropped_at_us bigint not null,
    -- Null while images may be left: the purge is finished at the next run.
    finished_at_us bigint
);
create index purges_force on purges (force_no, purge_no);

-- Whether a day's partition holds reads past a position. On the partition itself and without sequential scans: asked of the parent,
-- the planner walks whole days for it.
create function day_reaches_past(p_force_no smallint, p_day date, p_position bigint) returns boolean
language plpgsql security definer set search_path = store, pg_temp set enable_seqscan = off as $$
declare
    reaches boolean;
begin
    execute format(
        'select exists (select from %I where position > $1)',
        format('reads_f%s', p_force_no) || to_char(p_day, '"_d"YYYYMMDD'))
    into reaches using p_position;
    return reaches;
end $$;

-- The first late reads, those in `older` captured before a time, by position, with when they were received.
create function late_reads(p_force_no smallint, p_captured_before_us bigint, p_rows integer)
returns table (read_position bigint, received_at bigint)
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    perform set_config('gantry.forces', (select force from forces where force_no = p_force_no), true);
    return query execute format(
        'select late.position, a.received_at_us'
        ' from (select r.position from %I r where r.captured_at_us < $2 order by r.position limit $3) as late'
        ' cross join lateral (select p.received_at_us from appends p'
        '  where p.force_no = $1 and p.last_position >= late.position order by p.last_position limit 1) as a'
        ' order by late.position', format('reads_f%s_older', p_force_no))
    using p_force_no, p_captured_before_us, p_rows;
end $$;

-- Drop a day's partition with its reads up to a position, and note it; returns the note's number, 0 for an empty day, which needs
-- none. Null, and nothing dropped, when reads came after that position or a consumer is not past it.
create function drop_day(
    p_force_no smallint, p_day date, p_last_position bigint, p_reads bigint, p_image_objects bigint, p_digest bytea,
    p_dropped_at_us bigint
) returns bigint
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    leaf text := format('reads_f%s', p_force_no) || to_char(p_day, '"_d"YYYYMMDD');
    purge bigint := 0;
begin
    -- Appends wait meanwhile.
    perform set_config('lock_timeout', '500ms', true);
    -- As appends do: first the log, so that none is under way, then the partition.
    perform from forces where force_no = p_force_no for no key update;
    perform from days where force_no = p_force_no and day = p_day for update;
    if not found or exists (select from consumers where force_no = p_force_no and retired_at is null and position < p_last_position) then
        return null;
    end if;
    if day_reaches_past(p_force_no, p_day, p_last_position) then
        return null;
    end if;
    if p_reads > 0 then
        insert into purges (force_no, day, last_position, reads, image_objects, digest, dropped_at_us)
        values (p_force_no, p_day, p_last_position, p_reads, p_image_objects, p_digest, p_dropped_at_us)
        returning purge_no into purge;
    end if;
    execute format('drop table %I', leaf);
    delete from days where force_no = p_force_no and day = p_day;
    update forces set purged_to = greatest(purged_to, p_last_position) where force_no = p_force_no;
    return purge;
end $$;

-- Delete late reads, those in `older` captured before a time, up to a position, and note it. Null, and nothing deleted, when a
-- consumer is not past it.
create function delete_older(
    p_force_no smallint, p_captured_before_us bigint, p_last_position bigint, p_reads bigint, p_image_objects bigint,
    p_digest bytea, p_dropped_at_us bigint
) returns bigint
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    leaf text := format('reads_f%s_older', p_force_no);
    deleted bigint;
    purge bigint;
begin
    perform set_config('lock_timeout', '5s', true);
    perform from forces where force_no = p_force_no for no key update;
    if exists (select from consumers where force_no = p_force_no and retired_at is null and position < p_last_position) then
        return null;
    end if;
    execute format('delete from %I where captured_at_us < $1 and position <= $2', leaf)
    using p_captured_before_us, p_last_position;
    get diagnostics deleted = row_count;
    if deleted <> p_reads then
        raise exception 'late reads changed while they were counted' using errcode = 'serialization_failure';
    end if;
    insert into purges (force_no, day, last_position, reads, image_objects, digest, dropped_at_us)
    values (p_force_no, null, p_last_position, p_reads, p_image_objects, p_digest, p_dropped_at_us)
    returning purge_no into purge;
    update forces set purged_to = greatest(purged_to, p_last_position) where force_no = p_force_no;
    return purge;
end $$;

-- Forget appends captured and received before two times, of which no read is left: those before the first late read.
create function forget_appends(p_force_no smallint, p_captured_before_us bigint, p_received_before_us bigint) returns bigint
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    first_late bigint;
    forgotten bigint;
begin
    perform set_config('gantry.forces', (select force from forces where force_no = p_force_no), true);
    execute format('select min(position) from %I', format('reads_f%s_older', p_force_no)) into first_late;
    delete from appends
    where force_no = p_force_no and last_position < coalesce(first_late, 9223372036854775807)
        and captured_to_us < p_captured_before_us and received_at_us < p_received_before_us;
    get diagnostics forgotten = row_count;
    return forgotten;
end $$;

revoke execute on function day_reaches_past, late_reads, drop_day, delete_older, forget_appends from public;
grant execute on function day_reaches_past, late_reads, drop_day, delete_older, forget_appends to gantry_store;
grant select, update (finished_at_us) on purges to gantry_store;

-- Which replica runs retention, and until when.
create table retention_turn (
    only_row boolean primary key default true check (only_row),
    owner text not null,
    expires_at timestamptz not null
);
insert into retention_turn (owner, expires_at) values ('', '-infinity');
grant select, update on retention_turn to gantry_store;
