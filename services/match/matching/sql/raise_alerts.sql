-- Raise the alerts that were not raised before and move the cursor. Returns the number of each, null where it was raised before;
-- null instead when the line's owner or cursor is another by now.
--   $1 to $7 parameters of advance_line, $8 raised at
--   $9.. parallel arrays, one element an alert: position, captured at, hotlist number, priority, near, camera, read id,
--   plate of the entry, name of the hotlist, reason, markers, instruction, read, entries, name of the camera, late
select raise_alerts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
    $24)
