-- Do not check the bodies of functions until the end of this transaction: a later migration may replace one that only a newer server understands.
--   no parameters
select set_config('check_function_bodies', 'off', true)
