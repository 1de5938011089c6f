-- Canaries: appends by which the service tests itself. Such an append has no row in `reads`.

-- A serialised ReadColumns of one read. Null: the append is of reads, which are in `reads`.
alter table appends add column canary bytea;

-- Which canaries were appended, so that one that is sent again is found. An index on `appends` would have to be built while appends wait.
create table canaries (
    force_no smallint not null references forces,
    captured_at_us bigint not null,
    read_id text collate "C" not null,
    primary key (force_no, captured_at_us, read_id)
);
call protect('canaries',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');

-- Append the canary of a force at one position of its log, unless it was appended before. Nothing that counts, finds or deletes reads meets it.
-- The head before and after; both null when the force is retired.
create function append_canary(
    p_force_no smallint, p_force text, p_received_at_us bigint, p_captured_at_us bigint, p_read_id text, p_traceparent text, p_canary bytea,
    out head_before bigint, out head_now bigint
)
language plpgsql as $$
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    -- As each append does, so that the order of positions stays the order of commits.
    select f.head into head_before from forces f where f.force_no = p_force_no and f.state = 1 for no key update;
    if not found then
        return;
    end if;
    head_now := head_before;
    insert into canaries (force_no, captured_at_us, read_id) values (p_force_no, p_captured_at_us, p_read_id) on conflict do nothing;
    if not found then
        return;
    end if;
    head_now := head_before + 1;
    insert into appends (force_no, first_position, last_position, received_at_us, captured_from_us, captured_to_us,
        image_object, traceparent, canary)
    values (p_force_no, head_now, head_now, p_received_at_us, p_captured_at_us, p_captured_at_us, 0, p_traceparent, p_canary);
    update forces f set head = head_now where f.force_no = p_force_no;
end $$;

-- Forget appends of which no read is left, as before; and canaries as old as they are.
create or replace function forget_appends(p_force_no smallint, p_captured_before_us bigint, p_received_before_us bigint) returns bigint
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
    delete from canaries where force_no = p_force_no and captured_at_us < p_captured_before_us;
    return forgotten;
end $$;

revoke execute on function append_canary from public;
grant execute on function append_canary to gantry_store;
grant select, insert on canaries to gantry_store;
