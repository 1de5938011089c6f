-- Lock a force's audit chain until the transaction ends; returns its newest number and hash.
--   $1 force_no
insert into audit_chains as c (force_no) values ($1)
on conflict (force_no) do update set number = c.number
returning number, hash
