-- Record that a purge is finished.
--   $1 purge_no, $2 finished_at_us
update purges set finished_at_us = $2 where purge_no = $1
