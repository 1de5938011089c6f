-- Append the reads of one force; returns head_before, head_now, stored and differing. Parameters as in the function, in its order.
--   $1 force_no, $2 force, $3 received_at_us, $4 may repeat, $5 to $10 one element a request, $11 to $16 the reads
select head_before, head_now, stored, differing
from append_reads_v2($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
