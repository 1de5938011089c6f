-- Lines: consumers of logs, with desired state, lease and cursors.
--
-- The row of a line is its lease: `owner` runs it until `expires_at`, and every change of owner raises `epoch`. A write carries the epoch
-- under which it was made. `advance_line` refuses an older one, and holds the row until its transaction ends, so that neither a new owner nor
-- `restart_line` comes between the check and the commit.

create table lines (
    force text not null,
    line text not null,
    -- As DestinationState in gantry.bridge.v1: 1 planned, 2 testing, 3 shadow, 4 live, 5 draining, 6 retired.
    state smallint not null check (state between 1 and 6),
    paused boolean not null default false,
    stopped_reason text not null default '',
    owner text,
    epoch bigint not null default 0,
    expires_at timestamptz,
    last_error text not null default '',
    failing_since timestamptz,
    primary key (force, line)
) with (fillfactor = 50);

create table line_cursors (
    force text not null,
    line text not null,
    cursor text not null,
    position bigint not null default 0,
    head bigint not null default 0,
    moved_at timestamptz,
    primary key (force, line, cursor)
) with (fillfactor = 50);

-- The replicas that are alive: the lines are shared out among them.
create table replicas (
    replica text primary key,
    expires_at timestamptz not null
) with (fillfactor = 50);

call protect('lines');
call protect('line_cursors');
-- Only roles that may enter the schema get this far.
grant select, insert, update on lines, line_cursors to public;
grant select, insert, update, delete on replicas to public;

-- Whether a line follows its log: it is shadow, live or draining, and neither paused nor stopped.
create function line_follows(line lines) returns boolean
language sql immutable parallel safe
return (line).state between 3 and 5 and not (line).paused and (line).stopped_reason = '';

-- Move a cursor, in the transaction that writes the result. False: the epoch is old or the cursor is at another position; then the caller must write
-- nothing. The caller has declared the force. The line counts as working again.
create function advance_line(
    the_force text, the_line text, the_epoch bigint, the_cursor text, old_position bigint, new_position bigint, new_head bigint
) returns boolean
language plpgsql as $$
begin
    -- A process that is frozen before its commit must not hold the line without end.
    perform set_config('idle_in_transaction_session_timeout', '5s', true);
    perform from lines where force = the_force and line = the_line and epoch = the_epoch for key share;
    if not found then
        return false;
    end if;
    update line_cursors set position = new_position, head = new_head, moved_at = present()
    where force = the_force and line = the_line and cursor = the_cursor and position = old_position;
    if not found then
        return false;
    end if;
    update lines set last_error = '', failing_since = null
    where force = the_force and line = the_line and failing_since is not null;
    return true;
end $$;

-- Move a cursor without a result, as a statement of its own. Unless it has to be `durable` it is on disk within a second: should it be lost, the
-- line processes reads again that left no result.
create function move_line(
    the_force text, the_line text, the_epoch bigint, the_cursor text, old_position bigint, new_position bigint, new_head bigint,
    durable boolean
) returns boolean
language plpgsql as $$
begin
    perform set_config('gantry.forces', the_force, true);
    if not durable then
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return advance_line(the_force, the_line, the_epoch, the_cursor, old_position, new_position, new_head);
end $$;

-- Refuse uncommitted results of a line, and make it start again from its cursor: its work depends on data that this transaction changes. The caller
-- has declared the force.
create function restart_line(the_force text, the_line text) returns void
language plpgsql as $$
begin
    perform set_config('idle_in_transaction_session_timeout', '5s', true);
    -- Waits for a commit under way, which an update alone would not.
    perform from lines where force = the_force and line = the_line for update;
    update lines set epoch = epoch + 1 where force = the_force and line = the_line;
end $$;

-- One tick of a replica: it renews its leases, takes free lines up to its share unless it is `leaving`, and gets its lines. `surplus`, the same
-- in every row, is how many of them it has to hand over.
create function tend_lines(the_replica text, the_forces text[], lease interval, leaving boolean)
returns table (force text, line text, epoch bigint, state smallint, follows boolean, surplus bigint)
language plpgsql as $$
#variable_conflict use_column
declare
    moment timestamptz := present();
    renewed_until timestamptz := moment + lease;
    renewable timestamptz := moment + lease * 0.7;
    alive bigint;
    wanted bigint;
    held bigint;
    share bigint;
    larger bigint;
    taken bigint := 0;
    too_many bigint := 0;
begin
    perform set_config('gantry.forces', array_to_string(the_forces, ','), true);
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

    -- One replica at a time shares out: two at once would take too much. This is no lease; the lock ends with the statement.
    if not leaving and pg_try_advisory_xact_lock(hashtextextended('gantry lines ' || current_schema(), 0)) then
        select count(*) into alive from replicas where expires_at > moment;
        select count(*), count(*) filter (where owner = the_replica and expires_at > moment) into wanted, held
        from lines where line_follows(lines);
        -- Each replica gets `share` lines, and `wanted % alive` replicas one more. Of several that already have more, the first by name keep it;
        -- a replica takes one more only while there are too few.
        share := wanted / greatest(alive, 1);
        select count(*) into larger from (
            select owner from lines
            where line_follows(lines) and owner <> the_replica and expires_at > moment and (held <= share or owner < the_replica)
            group by owner having count(*) > share
        ) as others;
        if larger < wanted % greatest(alive, 1) then
            share := share + 1;
        end if;
        too_many := greatest(held - share, 0);
        -- Skips a line whose last owner is about to commit.
        update lines set owner = the_replica, epoch = epoch + 1, expires_at = renewed_until
        from (
            select force as free_force, line as free_line from lines
            where line_follows(lines) and (owner is null or expires_at <= moment)
            order by force, line limit greatest(share - held, 0) for update skip locked
        ) as free
        where force = free_force and line = free_line;
        get diagnostics taken = row_count;
    end if;
    if taken = 0 then
        -- A crash may take back a renewal, but not the epoch of a line that was taken.
        perform set_config('synchronous_commit', 'off', true);
    end if;
    return query
        select force, line, epoch, state, line_follows(lines), too_many from lines where owner = the_replica;
end $$;
