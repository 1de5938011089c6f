-- The statement that keeps everybody out of a database who was not let in.
--   $1 name
select format('revoke all on database %I from public', $1::text)
