-- A force's audit records below a number, newest first, in the order of AuditEntry and with their hashes.
--   $1 force, $2 below this number, $3 most rows
select force, number, recorded_at_us, service, person, action, code, reference, justification, approval_id, subject, hash
from audit_records
where force = $1 and number < $2
order by number desc
limit $3
