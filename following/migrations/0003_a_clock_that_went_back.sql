-- A clock of the database that went back, as at a fail-over to a machine whose clock is behind, leaves expiries that are far ahead. A replica that
-- died then would have kept its lines until the clock got there. No lease lasts that long, so each tick cuts such expiries to the length of one.

-- One tick of a replica: it renews its leases, takes free lines up to its share unless it is `leaving`, and gets its lines. `surplus`, the same
-- in every row, is how many of them it has to hand over.
create or replace function tend_lines(the_replica text, the_forces text[], lease interval, leaving boolean)
returns table (force text, line text, epoch bigint, state smallint, follows boolean, surplus bigint)
language plpgsql as $$
#variable_conflict use_column
declare
    moment timestamptz := present();
    renewed_until timestamptz := moment + lease;
    renewable timestamptz := moment + lease * 0.7;
    missing bigint := 0;
    taken bigint := 0;
    too_many bigint := 0;
begin
    perform set_config('gantry.forces', array_to_string(the_forces, ','), true);
    update replicas set expires_at = renewed_until
    from (select replica as far_ahead from replicas where expires_at > renewed_until + lease for no key update skip locked) as wrong
    where replica = far_ahead;
    update lines set expires_at = renewed_until
    from (
        select force as wrong_force, line as wrong_line from lines where expires_at > renewed_until + lease
        for no key update skip locked
    ) as wrong
    where force = wrong_force and line = wrong_line;
    if leaving then
        delete from replicas where replica = the_replica;
    else
        update replicas set expires_at = renewed_until where replica = the_replica and expires_at < renewable;
        insert into replicas (replica, expires_at) select the_replica, renewed_until
        where not exists (select from replicas where replica = the_replica);
        delete from replicas where expires_at < moment - interval '1 hour';
    end if;
    -- A line that is locked for the moment is renewed by the next tick, and holds up no other.
    update lines set expires_at = renewed_until
    from (
        select force as due_force, line as due_line from lines
        where owner = the_replica and expires_at < renewable for no key update skip locked
    ) as due
    where force = due_force and line = due_line;

    if not leaving then
        select line_share(the_replica, moment) into missing;
        too_many := greatest(-missing, 0);
    end if;
    -- One replica at a time takes lines: two at once would take too much. This is no lease; the lock ends with the statement.
    if missing > 0 and exists (select from lines where line_follows(lines) and (owner is null or expires_at <= moment)) then
        perform from line_sharing for no key update skip locked;
        if found then
            -- Another replica may have taken some before the row was free.
            select line_share(the_replica, moment) into missing;
            -- Skips a line whose last owner is about to commit.
            update lines set owner = the_replica, epoch = epoch + 1, expires_at = renewed_until
            from (
                select force as free_force, line as free_line from lines
                where line_follows(lines) and (owner is null or expires_at <= moment)
                order by force, line limit greatest(missing, 0) for update skip locked
            ) as free
            where force = free_force and line = free_line;
            get diagnostics taken = row_count;
        end if;
    end if;
    if taken = 0 then
        -- A crash may take back a renewal, but not the epoch of a line that was taken.
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return query
        select force, line, epoch, state, line_follows(lines), too_many from lines where owner = the_replica;
end $$;
