-- Whether a range of times of capture holds reads past a position.
--   $1 force_no, $2 captured from, $3 captured before, $4 position
select exists (
    select from reads
    where force_no = $1 and captured_at_us >= $2 and captured_at_us < $3 and position > $4
)
