-- Purges of a force whose images may not be deleted yet.
--   $1 force_no
select purge_no, day from purges where force_no = $1 and finished_at_us is null order by purge_no
