-- Let the statements of this transaction take longer than usual.
--   $1 how long, with its unit
select set_config('statement_timeout', $1, true)
