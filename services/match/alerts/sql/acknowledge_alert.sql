-- Append the event that a person took an alert in hand, unless an earlier one stands. Returns the event that stands and whether it
-- is new; nulls when the force has no such alert.
--   $1 force, $2 number of the alert, $3 person, $4 note, $5 now
select number, at, person, note, is_new from acknowledge_alert($1, $2, $3, $4, $5)
