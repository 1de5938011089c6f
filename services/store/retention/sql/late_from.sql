-- The oldest time of capture among reads captured before a time; null when there are none.
--   $1 force_no, $2 captured before
select min(captured_at_us) from reads where force_no = $1 and captured_at_us < $2
