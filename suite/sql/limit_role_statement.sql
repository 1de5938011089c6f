-- The statement that limits how many sessions a role may have at once.
--   $1 role, $2 sessions
select format('alter role %I connection limit %s', $1::text, $2::text)
