-- Become the one who follows a force, for as long as this session lasts; false while another is.
--   $1 force
select pg_try_advisory_lock(hashtextextended('gantry match follow ' || $1, 0))
