-- Take the right to run a forwarder, for as long as this connection lives; false when another has it.
--   $1 force, $2 destination
select pg_try_advisory_lock(hashtextextended('gantry forwarder ' || $1::text || '/' || $2::text, 0))
