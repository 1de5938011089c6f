-- Become the one who follows these forces, where nobody is, for as long as this session lasts; returns those won.
--   $1 forces
select force from unnest($1::text[]) as wanted (force)
where pg_try_advisory_lock(hashtextextended('gantry match follow ' || force, 0))
