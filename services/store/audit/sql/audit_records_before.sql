-- A force's audit records below a number, newest first.
--   $1 force_no, $2 below this number, $3 most rows
select number, recorded_at_us, service, person, action, reason, reference, subject, hash
from audit_records
where force_no = $1 and number < $2
order by number desc
limit $3
