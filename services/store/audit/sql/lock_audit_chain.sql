-- Lock a force's audit chain until the transaction ends; returns its newest number and hash, or no row for an unknown force.
--   $1 force, $2 whether the force has to exist
insert into audit_chains as c (force)
select $1 where not $2 or exists (select from forces where force = $1)
on conflict (force) do update set number = c.number
returning number, hash
