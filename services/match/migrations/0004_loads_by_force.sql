-- Row-level security on the table of each load: read by its own name it shows no more than the table of all entries.

create procedure protect_load(target regclass)
language plpgsql as $$
begin
    call protect(target, 'load_no in (select load_no from loads)');
end $$;

do $$
declare
    load regclass;
begin
    for load in select relid from pg_partition_tree('entries') where level > 0 order by relid loop
        call protect_load(load);
    end loop;
end $$;

-- Close a load, as before.
create or replace function seal_lines(
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
    -- Not before: rows are copied into it, and COPY does not take a table with row-level security.
    call protect_load(name::regclass);
    execute format('alter table entries attach partition %I for values in (%s)', name, the_load);
end $$;

revoke execute on procedure protect_load from public;
