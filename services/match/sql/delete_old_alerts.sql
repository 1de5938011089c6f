-- Delete the oldest alerts that were raised before a moment, with their acknowledgements. Returns how many, and how
-- many of them nobody had acknowledged; no row when there were none. Runs under the lock of the force's row.
--   $1 force, $2 raised before, $3 most alerts
with old as (
    select number from alerts where force = $1 and raised_at < $2 order by raised_at limit $3
), taken as (
    delete from acknowledgements where force = $1 and alert_number in (select number from old) returning 1
), gone as (
    delete from alerts where force = $1 and number in (select number from old) returning 1
), counted as (
    select count(*) as deleted, count(*) - (select count(*) from taken) as lapsed from gone
)
update matching set alerts_lapsed = alerts_lapsed + counted.lapsed
from counted
where force = $1 and counted.deleted > 0
returning counted.deleted, counted.lapsed
