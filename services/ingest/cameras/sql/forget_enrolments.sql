-- Delete requests that are not retried any more.
--   $1 force
delete from enrolments where force = $1 and enrolled_at < present() - interval '30 days'
