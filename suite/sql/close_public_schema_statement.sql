-- The statement that closes the schema "public" to all roles without an explicit grant.
--   no parameters
select 'revoke all on schema public from public'
