-- The hotlist of an earlier import with the same request id, and what it answered.
--   $1 force, $2 request id
select name, answer from imports join hotlists using (hotlist_no)
where imports.force = $1 and request_id = $2
