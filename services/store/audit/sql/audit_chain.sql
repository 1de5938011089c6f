-- The newest number and hash of a force's audit chain. No row for a force that does not exist and never had a record.
--   $1 force, $2 the hash before the first record
select number, hash from audit_chains where force = $1
union all
select 0, $2::bytea from forces where force = $1 and not exists (select from audit_chains where force = $1)
