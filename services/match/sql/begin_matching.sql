-- Make sure that a force has its row.
--   $1 force
insert into matching (force) values ($1) on conflict do nothing
