-- How long a statement of this session may last, until its pool resets it.
--   $1 a time, as PostgreSQL writes it
select set_config('statement_timeout', $1, false)
