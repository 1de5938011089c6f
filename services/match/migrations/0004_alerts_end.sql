-- Alerts have an end: they hold copies of reads, which are kept for days. The service still cannot delete what it likes: only
-- what is over a week old goes, through this function, which runs with the rights of the owner and sees the declared forces.

-- An alert that goes unacknowledged must leave the count of open ones as well.
alter table matching add column alerts_lapsed bigint not null default 0;
create index alerts_by_age on alerts (force, raised_at);

-- Delete the oldest alerts raised before a moment, with their acknowledgements. Returns how many, and how many of them
-- nobody had acknowledged. To be called under the lock of the force's row.
create function delete_old_alerts(
    the_force text, raised_before timestamptz, most bigint, out deleted bigint, out lapsed bigint
)
language plpgsql security definer set search_path = match, pg_temp as $$
declare
    numbers bigint[];
    taken bigint;
begin
    select array_agg(number) into numbers from (
        select number from alerts
        where force = the_force and raised_at < least(raised_before, now() - interval '7 days')
        order by raised_at limit most
    ) as old;
    delete from acknowledgements where force = the_force and alert_number = any (numbers);
    get diagnostics taken = row_count;
    delete from alerts where force = the_force and number = any (numbers);
    get diagnostics deleted = row_count;
    lapsed := deleted - taken;
    if lapsed > 0 then
        update matching set alerts_lapsed = alerts_lapsed + lapsed where force = the_force;
    end if;
end $$;

revoke all on function delete_old_alerts(text, timestamptz, bigint) from public;
grant execute on function delete_old_alerts(text, timestamptz, bigint) to gantry_match;
