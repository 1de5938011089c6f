-- Reads of a range of positions, in order. The times are those of their appends: they keep other days out.
--   $1 force_no, $2 after this position, $3 up to this position, $4 captured from, $5 captured to
select position, captured_at_us, camera_no, latitude_e7, longitude_e7, confidence, heading, read_id, vrm, details, image
from reads
where force_no = $1 and position > $2 and position <= $3 and captured_at_us between $4 and $5
order by position
