-- The statement that gives an existing role a new password.
--   $1 name, $2 SCRAM verifier of the password
select format('alter role %I password %L', $1::text, $2::text)
