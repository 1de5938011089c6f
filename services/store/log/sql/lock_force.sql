-- Lock the row of a force as an append does; waits as long as the session allows.
--   $1 force_no
select from forces where force_no = $1 for no key update
