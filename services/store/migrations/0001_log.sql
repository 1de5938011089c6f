-- The log: forces and their consumers, cameras, reads in partitions by force and day of capture, appends.
--
-- Times of reads are microseconds since 1970-01-01T00:00:00Z, as on the wire: exact, and nothing is converted on the hot path.
-- No column of `reads` may be null, so that no row has a null bitmap; columns are ordered by alignment.

create table forces (
    force_no smallint primary key,
    force text collate "C" not null unique check (force ~ '^[a-z][a-z0-9-]{0,31}$'),
    name text not null check (name <> ''),
    -- As gantry.store.v1.ForceState: 1 is active, 2 is retired.
    state smallint not null default 1 check (state in (1, 2)),
    created_at timestamptz not null default present(),
    retired_at timestamptz check ((retired_at is not null) = (state = 2)),
    -- Of the request that created it.
    request_id uuid not null,
    -- Position of the newest read. An append holds this row's lock until commit: the order of positions is the order of commits.
    head bigint not null default 0,
    -- Reads ever stored, purged ones included.
    reads_stored bigint not null default 0,
    -- Highest position that retention has deleted: a follower behind it would have a gap.
    purged_to bigint not null default 0
) with (fillfactor = 25);

-- One row: counts the changes of the directory of forces.
create table directory (
    revision bigint not null
);
insert into directory values (0);

create function count_directory_change() returns trigger
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    update directory set revision = revision + 1;
    return null;
end $$;
create trigger counted after insert or update of name, state on forces
    for each statement execute function count_directory_change();

-- Consumers of a force's log. Retention keeps every read until each registered consumer has passed it.
create table consumers (
    force_no smallint not null references forces,
    consumer text collate "C" not null check (length(consumer) between 1 and 64),
    -- Its cursor: every read up to and including this position is processed.
    position bigint not null default 0,
    registered_at timestamptz not null default present(),
    -- Null: it is registered.
    retired_at timestamptz,
    -- Null: it never reported since it was registered.
    reported_at timestamptz,
    primary key (force_no, consumer)
) with (fillfactor = 50);

create table cameras (
    camera_no integer generated always as identity primary key,
    force_no smallint not null references forces,
    camera_id text collate "C" not null,
    unique (force_no, camera_id)
);

create table reads (
    position bigint not null,
    captured_at_us bigint not null,
    camera_no integer not null,
    -- 1e-7 degrees; 2147483647 when the place is not known.
    latitude_e7 integer not null,
    longitude_e7 integer not null,
    confidence real not null,
    force_no smallint not null,
    -- Degrees; 360 when not known.
    heading smallint not null,
    read_id text collate "C" not null,
    vrm text collate "C" not null,
    -- A serialised ReadDetails; empty when there is nothing more.
    details bytea not null,
    -- Empty, or three big-endian unsigned 32-bit numbers: offset in the image object, bytes of the plate patch, bytes of the
    -- overview that follows it. The object is named by the append and the day of capture.
    image bytea not null
) partition by list (force_no);

-- Every partition of a day also has a unique index on (captured_at_us, hashtextextended(read_id, camera_no)), which finds
-- duplicates. It is made with the partition: a parent cannot have it, since an expression is no part of a partition key.
create index reads_vrm on reads (vrm);
-- Rows lie in the order of their positions, so a summary of each 64 pages finds them at no cost a read.
create index reads_position on reads using brin (position) with (pages_per_range = 64);
create index reads_read_id on reads using brin (read_id text_bloom_ops (n_distinct_per_range = 5000, false_positive_rate = 0.01))
    with (pages_per_range = 64);

-- One row for each AppendReads request, with the common values of its reads.
create table appends (
    force_no smallint not null,
    first_position bigint not null,
    last_position bigint not null,
    received_at_us bigint not null,
    captured_from_us bigint not null,
    captured_to_us bigint not null,
    -- Number of the object that holds the images; 0 when there are none.
    image_object bigint not null,
    traceparent text collate "C" not null,
    primary key (force_no, last_position)
);

-- The partitions that exist besides `older`.
create table days (
    force_no smallint not null references forces,
    day date not null,
    primary key (force_no, day)
);

-- Rows show when the transaction has declared their force. The subquery is evaluated once a statement, and planned with it: a function in its
-- place would be called for each row, or be planned anew for each statement.
call protect('cameras',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');
call protect('reads',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');
call protect('appends',
    'force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces())))');

-- Drop the summary of the range of pages that holds one page: updating the summary of rows that are still inserted costs every insert.
create function forget_summary(p_table regclass, p_page bigint) returns void
language sql set search_path = store, pg_temp as $$
    select brin_desummarize_range(i.indexrelid, p_page)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where i.indrelid = p_table and a.amname = 'brin'
$$;

-- Create a force with its tables and the consumers that retention waits for. True when this request has created it, now or earlier; false
-- when another request has. The runtime role makes no tables itself.
create function make_force(p_force text, p_name text, p_request_id uuid, p_consumers text[]) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    creator uuid;
    number smallint;
    parent text;
    older text;
begin
    perform set_config('lock_timeout', '5s', true);
    perform pg_advisory_xact_lock(hashtextextended('gantry store partitions', 0));
    select request_id into creator from forces where force = p_force;
    if found then
        return creator = p_request_id;
    end if;
    select coalesce(max(force_no), 0) + 1 into number from forces;
    parent := format('reads_f%s', number);
    older := parent || '_older';
    insert into forces (force_no, force, name, request_id) values (number, p_force, p_name, p_request_id);
    insert into consumers (force_no, consumer) select distinct number, unnest(p_consumers);
    execute format('create table %I (like reads including defaults) partition by range (captured_at_us)', parent);
    execute format('create table %I partition of %I default', older, parent);
    execute format('create unique index %I on %I (captured_at_us, hashtextextended(read_id, camera_no))', older || '_key', older);
    execute format('alter table reads attach partition %I for values in (%s)', parent, number);
    perform forget_summary(older::regclass, 0);
    return true;
end $$;

-- Register a consumer and return its cursor. One that is registered keeps it; any other starts at the oldest read.
create function register_consumer(p_force_no smallint, p_force text, p_consumer text) returns bigint
language plpgsql as $$
declare
    oldest bigint;
begin
    perform set_config('gantry.forces', p_force, true), set_config('lock_timeout', '5s', true);
    -- Retention takes this lock before it deletes.
    select head into strict oldest from forces where force_no = p_force_no for no key update;
    oldest := coalesce(
        (select first_position - 1 from appends where force_no = p_force_no order by last_position limit 1), oldest);
    insert into consumers (force_no, consumer, position) values (p_force_no, p_consumer, oldest)
    on conflict (force_no, consumer) do update
    set position = excluded.position, registered_at = excluded.registered_at, retired_at = null, reported_at = null
    where consumers.retired_at is not null;
    return (select position from consumers where force_no = p_force_no and consumer = p_consumer);
end $$;

-- Make the partition of a force's day. True when it is there; false when reads of that day lie in `older` already, where the rest
-- of them then has to go too, since duplicates are found within one partition.
create function make_day(p_force_no smallint, p_day date) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    us_a_day constant bigint := 86400000000;
    parent text := format('reads_f%s', p_force_no);
    leaf text := parent || to_char(p_day, '"_d"YYYYMMDD');
    from_us bigint := (p_day - date '1970-01-01')::bigint * us_a_day;
begin
    perform set_config('lock_timeout', '5s', true);
    -- One lock a force: another force's partitions need not wait.
    perform pg_advisory_xact_lock(hashtextextended('gantry store partitions of a force', p_force_no));
    if exists (select from days where force_no = p_force_no and day = p_day) then
        return true;
    end if;
    begin
        -- Attaching a finished table takes weaker locks than making it as a partition would. It only ever grows, and is
        -- dropped whole, so vacuuming after inserts would be work for nothing.
        execute format(
            'create table %I (like %I including defaults) with (autovacuum_vacuum_insert_threshold = -1)', leaf, parent);
        execute format('create unique index %I on %I (captured_at_us, hashtextextended(read_id, camera_no))', leaf || '_key', leaf);
        execute format(
            'alter table %I attach partition %I for values from (%s) to (%s)', parent, leaf, from_us, from_us + us_a_day);
    exception when check_violation then
        return false;
    end;
    perform forget_summary(leaf::regclass, 0);
    insert into days (force_no, day) values (p_force_no, p_day);
    return true;
end $$;

-- Bring the summaries of a day's partition (null: of `older`) up to its end, so that look-ups by position and read_id stay quick.
-- While it still fills, its last range is left out: an empty table and a part of a range count as summarised otherwise.
create function summarise_day(p_force_no smallint, p_day date, p_fills boolean) returns void
language plpgsql security definer set search_path = store, pg_temp as $$
declare
    leaf regclass := to_regclass(format('reads_f%s', p_force_no) || coalesce(to_char(p_day, '"_d"YYYYMMDD'), '_older'));
begin
    perform set_config('lock_timeout', '200ms', true);
    perform brin_summarize_new_values(i.indexrelid)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
    where i.indrelid = leaf and a.amname = 'brin';
    if p_fills then
        perform forget_summary(leaf, greatest(pg_relation_size(leaf) / current_setting('block_size')::bigint - 1, 0));
    end if;
end $$;

-- The reads of an append as rows of `reads`, in order, from the forms that are cheapest to send and to take apart:
--   p_fixed        22 bytes a read, big-endian: captured_at_us (8), camera_no (4), latitude_e7 (4), longitude_e7 (4), heading (2)
--   p_read_ids, p_vrms   joined by newlines
--   p_details      hexadecimal, joined by newlines; null when no read has any
--   p_images       12 bytes a read as in reads.image, zeros for none; null when no read has any
create function sent_reads(
    p_force_no smallint, p_head bigint, p_fixed bytea, p_confidences real[], p_read_ids text, p_vrms text, p_details text, p_images bytea
) returns setof reads
language sql stable as $$
    select p_head + ordinal + 1,
        substr(p_fixed, ordinal * 22 + 1, 8)::bigint,
        substr(p_fixed, ordinal * 22 + 9, 4)::integer,
        substr(p_fixed, ordinal * 22 + 13, 4)::integer,
        substr(p_fixed, ordinal * 22 + 17, 4)::integer,
        confidence,
        p_force_no,
        substr(p_fixed, ordinal * 22 + 21, 2)::smallint,
        read_id,
        vrm,
        coalesce(decode(details, 'hex'), ''),
        coalesce(nullif(substr(p_images, ordinal * 12 + 1, 12), '\x000000000000000000000000'), '')
    from (
        select generate_series(0, length(p_fixed) / 22 - 1) as ordinal, unnest(p_confidences) as confidence,
            unnest(string_to_array(p_read_ids, e'\n')) as read_id, unnest(string_to_array(p_vrms, e'\n')) as vrm,
            unnest(string_to_array(p_details, e'\n')) as details
    ) as sent
$$;

-- Append the reads of one force in one transaction. Elements of the arrays p_sizes to p_captured_to_us belong to one request each; the
-- rest is one element a read, in the order of the requests, as in sent_reads. p_before counts the reads of the requests before one.
-- p_may_repeat: some reads may be stored already, or occur twice here; they are left out. Otherwise such a read fails the transaction with
-- unique_violation. Inserts that look for conflicts cost the server a quarter more.
-- Returns the head before (null when the force is retired), the head now, and the positions that were stored, or null when all of them
-- were. Fails after 5 seconds when another transaction holds the force's row.
create function append_reads(
    p_force_no smallint, p_force text, p_received_at_us bigint, p_may_repeat boolean,
    p_sizes integer[], p_before integer[], p_traceparents text[], p_image_objects bigint[], p_captured_from_us bigint[], p_captured_to_us bigint[],
    p_fixed bytea, p_confidences real[], p_read_ids text, p_vrms text, p_details text, p_images bytea,
    out head_before bigint, out head_now bigint, out stored bigint[]
)
language plpgsql as $$
declare
    number_sent constant integer := length(p_fixed) / 22;
    number_stored integer := number_sent;
    ignored text;
begin
    -- Assignments, since plpgsql evaluates them without starting a query.
    ignored := set_config('gantry.forces', p_force, true);
    ignored := set_config('lock_timeout', '5s', true);
    -- Or each call would plan the insert anew, which costs as much as 50 reads.
    ignored := set_config('plan_cache_mode', 'force_generic_plan', true);
    -- Everything below runs on a snapshot taken after the lock, and positions become visible in the order in which it is held.
    select f.head into head_before from forces f where f.force_no = p_force_no and f.state = 1 for no key update;
    if not found then
        return;
    end if;
    if p_may_repeat then
        with new_reads as (
            insert into reads
            select * from sent_reads(p_force_no, head_before, p_fixed, p_confidences, p_read_ids, p_vrms, p_details, p_images)
            on conflict do nothing
            returning position
        )
        select count(*), max(position), array_agg(position) into number_stored, head_now, stored from new_reads;
        if number_stored = 0 then
            head_now := head_before;
            stored := '{}';
            return;
        end if;
        if number_stored = number_sent then
            stored := null;
        end if;
    else
        insert into reads
        select * from sent_reads(p_force_no, head_before, p_fixed, p_confidences, p_read_ids, p_vrms, p_details, p_images);
        head_now := head_before + number_sent;
    end if;
    insert into appends (force_no, first_position, last_position, received_at_us, captured_from_us, captured_to_us,
        image_object, traceparent)
    select p_force_no, head_before + before + 1, least(head_before + before + size, head_now), p_received_at_us,
        captured_from_us, captured_to_us, image_object, traceparent
    from unnest(p_sizes, p_before, p_traceparents, p_image_objects, p_captured_from_us, p_captured_to_us)
        as requests (size, before, traceparent, image_object, captured_from_us, captured_to_us)
    where head_before + before < head_now;
    update forces f set head = head_now, reads_stored = reads_stored + number_stored where f.force_no = p_force_no;
end $$;

revoke execute on function count_directory_change, forget_summary, make_force, register_consumer, make_day, summarise_day, sent_reads, append_reads
    from public;
grant execute on function make_force, register_consumer, make_day, summarise_day, sent_reads, append_reads to gantry_store;
grant select, update (head, reads_stored) on forces to gantry_store;
grant select on directory, days to gantry_store;
grant select, insert on cameras, reads, appends to gantry_store;
grant select, insert, update on consumers to gantry_store;
