-- The newest number and hash of a force's audit chain.
--   $1 force_no
select number, hash from audit_chains where force_no = $1
