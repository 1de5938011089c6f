-- What forces chose for themselves. Not columns of "forces": each append writes that row anew.

create table force_settings (
    force_no smallint primary key references forces,
    -- The rectangle where its cameras are, in degrees. Null: anywhere.
    south double precision,
    west double precision,
    north double precision,
    east double precision,
    -- Words for a plate that was not read, as they were given. Null: the usual ones.
    not_read_words text[],
    check (num_nulls(south, west, north, east) in (0, 4)),
    check (south < north and west < east and south >= -90 and north <= 90 and west >= -180 and east <= 180)
);
create trigger counted after insert or update on force_settings
    for each statement execute function count_directory_change();

-- Replace the settings of a force. True when there is such a force.
create function change_force(
    p_force text, p_south double precision, p_west double precision, p_north double precision, p_east double precision,
    p_not_read_words text[]
) returns boolean
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    perform set_config('lock_timeout', '5s', true);
    insert into force_settings
    select force_no, p_south, p_west, p_north, p_east, p_not_read_words from forces where force = p_force
    on conflict (force_no) do update
    set south = excluded.south, west = excluded.west, north = excluded.north, east = excluded.east,
        not_read_words = excluded.not_read_words;
    return found;
end $$;

revoke execute on function change_force from public;
grant execute on function change_force to gantry_store;
grant select on force_settings to gantry_store;
