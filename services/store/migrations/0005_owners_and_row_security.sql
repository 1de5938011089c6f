-- What a frozen process or another role could hold or see: partitions are made under a row's lock instead of an advisory one, every table
-- with a force has row-level security, an audit record is one statement, and a consumer belongs to the service that registered it.

-- First of all, so that appends wait here and hold nothing that comes later.
lock table forces in access exclusive mode;

-- A store of the release before does not declare the force when it reads consumers, days and purges. It is known by the name of its sessions,
-- which is that of its role. The next release drops this exception.
create function of_release_before() returns boolean
language sql stable parallel safe
return current_setting('application_name') = session_user;

-- Declare the force with a number, for the transaction.
create function declare_force(p_force_no smallint) returns void
language sql
begin atomic
    select set_config('gantry.forces', (select force from forces where force_no = p_force_no), true);
end;

-- The partitions of a force change under this lock. Another force's need not wait.
create table partition_turns (
    force_no smallint primary key references forces
);
insert into partition_turns (force_no) select force_no from forces;

-- Row-level security on every table with a force. The directory of forces is no secret of any of them.
alter table forces enable row level security, force row level security;
create policy directory on forces for select using (true);
create policy declared on forces using (force = any (declared_forces()) or of_release_before());

call protect('consumers',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces()))) or of_release_before()');
call protect('days',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces()))) or of_release_before()');
call protect('purges',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces()))) or of_release_before()');
call protect('partition_turns',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');

-- A partition that is read by its own name shows no more than its parent.
create procedure protect_partition(target regclass)
language plpgsql as $$
begin
    call protect(target,
        'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');
end $$;

do $$
declare
    part regclass;
begin
    for part in select relid from pg_partition_tree('reads') where level > 0 order by level, relid loop
        call protect_partition(part);
    end loop;
end $$;

-- The service that registered a consumer. Only its certificate moves and retires the consumer.
alter table consumers add column owner text collate "C";

-- The consumers with which a force begins, and those that a service of the release before registers.
create function usual_owner() returns trigger
language plpgsql as $$
begin
    new.owner := coalesce(new.owner, case when new.consumer = 'match' then 'match' else 'nas_bridge' end);
    return new;
end $$;
create trigger owned before insert on consumers for each row execute function usual_owner();

alter table consumers no force row level security;
update consumers set owner = case when consumer = 'match' then 'match' else 'nas_bridge' end;
alter table consumers force row level security;
alter table consumers alter column owner set not null;

-- Register a consumer of a service and return its cursor; null when the consumer belongs to another service. One that is registered keeps its
-- cursor; any other starts at the oldest read.
create function register_consumer_of(p_owner text, p_force_no smallint, p_force text, p_consumer text) returns bigint
language plpgsql as $$
declare
    oldest bigint;
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    -- Retention takes this lock before it deletes.
    select head into strict oldest from forces where force_no = p_force_no for no key update;
    oldest := coalesce(
        (select first_position - 1 from appends where force_no = p_force_no order by last_position limit 1), oldest);
    insert into consumers (force_no, consumer, position, owner) values (p_force_no, p_consumer, oldest, p_owner)
    on conflict (force_no, consumer) do update
    set position = excluded.position, registered_at = excluded.registered_at, retired_at = null, reported_at = null
    where consumers.retired_at is not null and consumers.owner = p_owner;
    return (select position from consumers where force_no = p_force_no and consumer = p_consumer and owner = p_owner);
end $$;

-- Move the cursor of a service's consumer forward, never back and never past the head. Whose consumer it is (null: it is not registered),
-- and whether the log has reached the position.
create function report_cursor_of(
    p_owner text, p_force_no smallint, p_force text, p_consumer text, p_position bigint, out registered_by text, out is_reached boolean
)
language plpgsql as $$
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    update consumers c
    set position = greatest(c.position, p_position), reported_at = present()
    from forces f
    where c.force_no = p_force_no and c.consumer = p_consumer and c.owner = p_owner and c.retired_at is null
        and f.force_no = c.force_no and f.head >= p_position;
    is_reached := found;
    registered_by := (
        select owner from consumers where force_no = p_force_no and consumer = p_consumer and retired_at is null);
end $$;

-- Retire a service's consumer; false, and nothing done, when it belongs to another service. One that is unknown or retired stays as it is.
create function retire_consumer_of(p_owner text, p_force_no smallint, p_force text, p_consumer text) returns boolean
language plpgsql as $$
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    update consumers set retired_at = present()
    where force_no = p_force_no and consumer = p_consumer and owner = p_owner and retired_at is null;
    return not exists (select from consumers where force_no = p_force_no and consumer = p_consumer and owner <> p_owner);
end $$;

-- Create a force, as before.
create or replace function make_force(p_force text, p_name text, p_request_id uuid, p_consumers text[]) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    creator uuid;
    number smallint;
    parent text;
    older text;
begin
    perform set_config('lock_timeout', '5s', true), set_config('gantry.forces', p_force, true);
    -- One at a time. The trigger updates this row too.
    perform from directory for update;
    select request_id into creator from forces where force = p_force;
    if found then
        return creator = p_request_id;
    end if;
    select coalesce(max(force_no), 0) + 1 into number from forces;
    parent := format('reads_f%s', number);
    older := parent || '_older';
    insert into forces (force_no, force, name, request_id) values (number, p_force, p_name, p_request_id);
    insert into partition_turns (force_no) values (number);
    insert into consumers (force_no, consumer) select distinct number, unnest(p_consumers);
    execute format('create table %I (like reads including defaults) partition by range (captured_at_us)', parent);
    execute format('create table %I partition of %I default', older, parent);
    execute format('create unique index %I on %I (captured_at_us, hashtextextended(read_id, camera_no))', older || '_key', older);
    call protect_partition(parent::regclass);
    call protect_partition(older::regclass);
    execute format('alter table reads attach partition %I for values in (%s)', parent, number);
    perform forget_summary(older::regclass, 0);
    return true;
end $$;

-- Retire a force, as before.
create or replace function retire_force(p_force text) returns void
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    perform set_config('lock_timeout', '5s', true), set_config('gantry.forces', p_force, true);
    perform from forces where force = p_force and state = 1 for no key update;
    if found then
        update forces set state = 2, retired_at = present() where force = p_force;
    end if;
end $$;

-- Make the partition of a force's day, as before.
create or replace function make_day(p_force_no smallint, p_day date) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    us_a_day constant bigint := 86400000000;
    parent text := format('reads_f%s', p_force_no);
    leaf text := parent || to_char(p_day, '"_d"YYYYMMDD');
    from_us bigint := (p_day - date '1970-01-01')::bigint * us_a_day;
begin
    perform set_config('lock_timeout', '5s', true), declare_force(p_force_no);
    perform from partition_turns where force_no = p_force_no for update;
    if exists (select from days where force_no = p_force_no and day = p_day) then
        return true;
    end if;
    -- The row of `days` refers to the force's row. When that one is locked, the wait is here, where nobody waits for us.
    perform from forces where force_no = p_force_no for key share;
    begin
        -- Attaching a finished table takes weaker locks than making it as a partition would. It only ever grows, and is
        -- dropped whole, so vacuuming after inserts would be work for nothing.
        execute format(
            'create table %I (like %I including defaults) with (autovacuum_vacuum_insert_threshold = -1)', leaf, parent);
        execute format('create unique index %I on %I (captured_at_us, hashtextextended(read_id, camera_no))', leaf || '_key', leaf);
        call protect_partition(leaf::regclass);
        execute format(
            'alter table %I attach partition %I for values from (%s) to (%s)', parent, leaf, from_us, from_us + us_a_day);
    exception when check_violation then
        return false;
    end;
    perform forget_summary(leaf::regclass, 0);
    insert into days (force_no, day) values (p_force_no, p_day);
    return true;
end $$;

-- Whether a day's partition holds reads past a position, as before.
create or replace function day_reaches_past(p_force_no smallint, p_day date, p_position bigint) returns boolean
language plpgsql security definer set search_path = store, pg_temp set enable_seqscan = off as $$
declare
    reaches boolean;
begin
    perform declare_force(p_force_no);
    execute format(
        'select exists (select from %I where position > $1)',
        format('reads_f%s', p_force_no) || to_char(p_day, '"_d"YYYYMMDD'))
    into reaches using p_position;
    return reaches;
end $$;

-- Drop a day's partition, as before.
create or replace function drop_day(
    p_force_no smallint, p_day date, p_last_position bigint, p_reads bigint, p_image_objects bigint, p_digest bytea,
    p_dropped_at_us bigint
) returns bigint
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    leaf text := format('reads_f%s', p_force_no) || to_char(p_day, '"_d"YYYYMMDD');
    purge bigint := 0;
begin
    -- Appends wait meanwhile.
    perform set_config('lock_timeout', '500ms', true), declare_force(p_force_no);
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

-- Delete late reads, as before.
create or replace function delete_older(
    p_force_no smallint, p_captured_before_us bigint, p_last_position bigint, p_reads bigint, p_image_objects bigint,
    p_digest bytea, p_dropped_at_us bigint
) returns bigint
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    leaf text := format('reads_f%s_older', p_force_no);
    deleted bigint;
    purge bigint;
begin
    perform set_config('lock_timeout', '5s', true), declare_force(p_force_no);
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

-- The hash of an audit record after one with the hash `before`: SHA-256 of that hash and of each field as UTF-8, with its length as four
-- big-endian bytes in front.
create function audit_hash(before bytea, variadic fields text[]) returns bytea
language sql immutable parallel safe
return (
    select sha256(before || string_agg(int4send(octet_length(convert_to(field, 'UTF8'))) || convert_to(field, 'UTF8'), ''::bytea order by place))
    from unnest(fields) with ordinality as given (field, place)
);

-- Add a record to a force's audit chain and return its number; null when the force is not known but has to be. In one statement, so that a
-- process that is frozen in the middle of it holds no chain.
create function append_audit_record(
    p_force text, p_known boolean, p_recorded_at_us bigint, p_service text, p_person text, p_action smallint, p_code text,
    p_reference text, p_justification text, p_approval_id text, p_subject text
) returns bigint
language plpgsql as $$
declare
    before bytea;
    newest bigint;
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    insert into audit_chains as c (force)
    select p_force where not p_known or exists (select from forces where force = p_force)
    on conflict (force) do update set number = c.number
    returning number + 1, hash into newest, before;
    if not found then
        return null;
    end if;
    before := audit_hash(before, p_force, newest::text, p_recorded_at_us::text, p_service, p_person, p_action::text, p_code,
        p_reference, p_justification, p_approval_id, p_subject);
    insert into audit_records (force, number, recorded_at_us, service, person, action, code, reference, justification,
        approval_id, subject, hash)
    values (p_force, newest, p_recorded_at_us, p_service, p_person, p_action, p_code, p_reference, p_justification,
        p_approval_id, p_subject, before);
    update audit_chains set number = newest, hash = before where force = p_force;
    return newest;
end $$;

revoke execute on function of_release_before, declare_force, usual_owner, register_consumer_of, report_cursor_of, retire_consumer_of, audit_hash, append_audit_record
    from public;
revoke execute on procedure protect_partition from public;
grant execute on function of_release_before, register_consumer_of, report_cursor_of, retire_consumer_of, audit_hash, append_audit_record to gantry_store;
