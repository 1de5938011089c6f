-- Row-level security on the settings of forces. As part of the directory they are shown to every transaction; a change declares its force.

alter table force_settings enable row level security, force row level security;
create policy directory on force_settings for select using (true);
create policy declared on force_settings
    using (force_no = any (array(select f.force_no from forces f where f.force = any (declared_forces()))));

-- Replace the settings of a force, as before.
create or replace function change_force(
    p_force text, p_south double precision, p_west double precision, p_north double precision, p_east double precision,
    p_not_read_words text[]
) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    perform set_config('lock_timeout', '5s', true), set_config('gantry.forces', p_force, true);
    insert into force_settings
    select force_no, p_south, p_west, p_north, p_east, p_not_read_words from forces where force = p_force
    on conflict (force_no) do update
    set south = excluded.south, west = excluded.west, north = excluded.north, east = excluded.east,
        not_read_words = excluded.not_read_words;
    return found;
end $$;
