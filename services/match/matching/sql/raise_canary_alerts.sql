-- As raise_alerts, for hits of canaries: their alerts go to the sequence of the force's canaries.
--   $1 to $7 parameters of advance_line, $8 the sequence, $9 raised at
--   $10.. parallel arrays, one element an alert, as in raise_alerts
select raise_canary_alerts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
    $24, $25)
