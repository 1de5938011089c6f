-- Add a record to a force's audit chain, as in the function; returns its number, or null for an unknown force.
--   $1 force, $2 whether the force has to exist, $3 recorded_at_us, $4 service, $5 person, $6 action, $7 code, $8 reference,
--   $9 justification, $10 approval_id, $11 subject
select append_audit_record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
