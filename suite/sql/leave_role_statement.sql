-- The statement that ends what "join_role_statement" began.
--   $1 role
select format('revoke %I from %I granted by %2$I', $1::text, current_user)
