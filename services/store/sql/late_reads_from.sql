-- The oldest time of capture among a force's reads from before its oldest partition; null when there are none.
--   $1 force_no, $2 captured before
select min(captured_at_us) from reads where force_no = $1 and captured_at_us < $2
