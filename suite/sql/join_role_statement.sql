-- The statement that lets us act as a role that we made, until we leave it.
--   $1 role
select format('grant %I to %I with inherit true, set true granted by %2$I', $1::text, current_user)
