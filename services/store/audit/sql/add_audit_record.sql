-- Add a record to a force's audit chain, whose lock the transaction holds.
--   $1 force_no, $2 number, $3 recorded_at_us, $4 service, $5 person, $6 action, $7 reason, $8 reference, $9 subject, $10 hash
with chain as (
    update audit_chains set number = $2, hash = $10 where force_no = $1
)
insert into audit_records (force_no, number, recorded_at_us, service, person, action, reason, reference, subject, hash)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
