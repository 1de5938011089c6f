-- Write down a delivery: receipt, dead letters, counts and cursor. Returns false when the epoch is old or the cursor has moved.
--   $1 force, $2 line, $3 epoch, $4 cursor, $5 old position, $6 new position, $7 head
--   $8 receipt id, $9 first position, $10 last position, $11 accepted, $12 duplicate, $13 traceparent
--   $14.. dead letters, one element a read: positions, camera ids, read ids, captured at, reasons, messages
select record_delivery($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
