-- Forces are retired, and a request creates one force at most.

create unique index forces_request on forces (request_id);

-- Retire a force. This cannot be undone. It waits for an append under way; later ones are refused. Retiring a retired force changes nothing.
create function retire_force(p_force text) returns void
language plpgsql security definer set search_path = store, pg_temp as $$
begin
    perform from forces where force = p_force and state = 1 for no key update;
    if found then
        update forces set state = 2, retired_at = present() where force = p_force;
    end if;
end $$;

revoke execute on function retire_force from public;
grant execute on function retire_force to gantry_store;
