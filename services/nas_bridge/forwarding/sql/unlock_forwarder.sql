-- Give back the right to run a forwarder.
--   $1 force, $2 destination
select pg_advisory_unlock(hashtextextended('gantry forwarder ' || $1::text || '/' || $2::text, 0))
