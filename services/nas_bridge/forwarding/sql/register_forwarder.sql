-- Make a forwarder's row before it first runs, so that people see it from the start.
--   $1 force, $2 destination
insert into forwarders (force, destination) values ($1, $2) on conflict do nothing
