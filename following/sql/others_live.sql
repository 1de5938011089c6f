-- Whether another replica is alive.
--   $1 this replica
select exists (select from replicas where replica <> $1 and expires_at > present())
