-- Record that a purge of a force is finished.
--   $1 force_no, $2 purge_no, $3 finished_at_us
update purges set finished_at_us = $3 where force_no = $1 and purge_no = $2
