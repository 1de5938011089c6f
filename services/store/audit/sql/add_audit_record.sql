-- Add a record to a force's audit chain, whose lock the transaction holds.
--   $1 force, $2 number, $3 recorded_at_us, $4 service, $5 person, $6 action, $7 code, $8 reference, $9 justification,
--   $10 approval_id, $11 subject, $12 hash
with chain as (
    update audit_chains set number = $2, hash = $12 where force = $1
)
insert into audit_records (force, number, recorded_at_us, service, person, action, code, reference, justification, approval_id,
    subject, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
