-- Declare the forces whose rows this transaction may see and change; row-level security hides all others.
--   $1 their codes, separated by commas
--   $2 after how long without a statement the session is ended, so that a frozen process does not keep its locks
select set_config('gantry.forces', $1, true), set_config('idle_in_transaction_session_timeout', $2, true)
