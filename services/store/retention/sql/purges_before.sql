-- Finished purges of a force below a number, newest first.
--   $1 force_no, $2 below this number, $3 most rows
select purge_no, day, reads, image_objects, digest, finished_at_us
from purges
where force_no = $1 and purge_no < $2 and finished_at_us is not null
order by purge_no desc
limit $3
