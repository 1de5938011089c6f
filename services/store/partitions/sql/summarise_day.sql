-- Bring the block range summaries of a day's partition (null: of late reads) up to date.
--   $1 force_no, $2 day, $3 whether it still fills
select summarise_day($1, $2, $3)
