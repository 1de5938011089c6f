-- The statement that closes a database to all roles without an explicit grant.
--   $1 name
select format('revoke all on database %I from public', $1::text)
