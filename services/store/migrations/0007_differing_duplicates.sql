-- Appends that say which repeated reads differ from the stored ones; and appends on PostgreSQL 17 as well as 18.

-- Big-endian bytes as numbers. They are inlined, so that they cost no call.
create function bytes_as_bigint(bytea) returns bigint language sql immutable parallel safe as $$ select 0::bigint $$;
create function bytes_as_integer(bytea) returns integer language sql immutable parallel safe as $$ select 0 $$;

-- Give them the quickest bodies that this server understands: the casts came with 18 and take half the time. It runs below. After an upgrade
-- from 17 to 18 the slower bodies still work; the owner of the schema may call it again.
create procedure choose_casts() language plpgsql set search_path = store, pg_temp as $$
declare
    has_casts constant boolean := current_setting('server_version_num')::integer >= 180000;
    as_number constant text := 'create or replace function %I(bytea) returns %s language sql immutable parallel safe as %L';
begin
    execute format(as_number, 'bytes_as_bigint', 'bigint',
        case when has_casts then 'select $1::bigint' else 'select (''x'' || encode($1, ''hex''))::bit(64)::bigint' end);
    execute format(as_number, 'bytes_as_integer', 'integer',
        case when has_casts then 'select $1::integer' else 'select (''x'' || encode($1, ''hex''))::bit(32)::integer' end);
end $$;
call choose_casts();

-- As before, for any server: the reads of an append as rows of `reads`, in order.
create or replace function sent_reads(
    p_force_no smallint, p_head bigint, p_fixed bytea, p_confidences real[], p_read_ids text, p_vrms text, p_details text, p_images bytea
) returns setof reads
language sql stable as $$
    select p_head + ordinal + 1,
        bytes_as_bigint(substr(p_fixed, ordinal * 22 + 1, 8)),
        bytes_as_integer(substr(p_fixed, ordinal * 22 + 9, 4)),
        bytes_as_integer(substr(p_fixed, ordinal * 22 + 13, 4)),
        bytes_as_integer(substr(p_fixed, ordinal * 22 + 17, 4)),
        confidence,
        p_force_no,
        -- A heading is at most 360.
        (get_byte(p_fixed, ordinal * 22 + 20) * 256 + get_byte(p_fixed, ordinal * 22 + 21))::smallint,
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

-- As append_reads, which services of the release before still call. Also returns, of the reads that were not stored, the positions that those
-- would have got whose plate, confidence or place differs from the read that is stored under the same identity.
create function append_reads_v2(
    p_force_no smallint, p_force text, p_received_at_us bigint, p_may_repeat boolean,
    p_sizes integer[], p_before integer[], p_traceparents text[], p_image_objects bigint[], p_captured_from_us bigint[], p_captured_to_us bigint[],
    p_fixed bytea, p_confidences real[], p_read_ids text, p_vrms text, p_details text, p_images bytea,
    out head_before bigint, out head_now bigint, out stored bigint[], out differing bigint[]
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
        select count(*), max(position), coalesce(array_agg(position), '{}') into number_stored, head_now, stored from new_reads;
        if number_stored = number_sent then
            stored := null;
        else
            -- Whether a plan may walk a whole day does not depend on how large the days are now.
            ignored := set_config('enable_seqscan', 'off', true);
            -- One look-up by identity for each read that was not stored. `limit` keeps it one: a join might read whole days.
            select array_agg(again.position) into differing
            from sent_reads(p_force_no, head_before, p_fixed, p_confidences, p_read_ids, p_vrms, null, null) as again
            cross join lateral (
                select r.vrm, r.confidence, r.latitude_e7, r.longitude_e7
                from reads r
                where r.force_no = p_force_no and r.captured_at_us = again.captured_at_us
                    and hashtextextended(r.read_id, r.camera_no) = hashtextextended(again.read_id, again.camera_no)
                limit 1
            ) as kept
            where again.position not in (select unnest(stored))
                and (again.vrm, again.confidence, again.latitude_e7, again.longitude_e7)
                    is distinct from (kept.vrm, kept.confidence, kept.latitude_e7, kept.longitude_e7);
        end if;
        if number_stored = 0 then
            head_now := head_before;
            return;
        end if;
    else
        -- Neighbours in the index of plates one after the other, so that its pages are found in the processor's cache.
        insert into reads
        select * from sent_reads(p_force_no, head_before, p_fixed, p_confidences, p_read_ids, p_vrms, p_details, p_images)
        order by vrm;
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

revoke execute on function bytes_as_bigint, bytes_as_integer, append_reads_v2 from public;
revoke execute on procedure choose_casts from public;
grant execute on function bytes_as_bigint, bytes_as_integer, append_reads_v2 to gantry_store;
