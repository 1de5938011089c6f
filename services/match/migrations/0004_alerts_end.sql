-- Alerts have an end: they hold copies of reads, which are kept for days. An alert that goes unacknowledged must leave
-- the count of open ones as well.

alter table matching add column alerts_lapsed bigint not null default 0;
create index alerts_by_age on alerts (force, raised_at);
grant delete on alerts, acknowledgements to gantry_match;
