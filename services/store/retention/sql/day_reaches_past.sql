-- Whether a day's partition holds reads past a position, as in the function.
--   $1 force_no, $2 day, $3 position
select day_reaches_past($1, $2, $3)
