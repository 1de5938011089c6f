-- Append the canary of a force; returns head_before and head_now, as in the function.
--   $1 force_no, $2 force, $3 received_at_us, $4 captured_at_us, $5 read_id, $6 traceparent, $7 a serialised ReadColumns of one read
select head_before, head_now from append_canary($1, $2, $3, $4, $5, $6, $7)
