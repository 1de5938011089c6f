-- Become the replica that runs retention, until unlocked; false when another replica is.
--   no parameters
select pg_try_advisory_lock(hashtextextended('gantry store retention', 0))
