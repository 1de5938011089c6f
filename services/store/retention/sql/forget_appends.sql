-- Forget appends of which no read is left, as in the function.
--   $1 force_no, $2 captured before, $3 received before
select forget_appends($1, $2, $3)
