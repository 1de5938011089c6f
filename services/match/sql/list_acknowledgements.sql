-- Acknowledgements after a number, in order, but for those that a subscription shows inside its alerts.
--   $1 force, $2 after this number, $3 most rows, $4 last acknowledgement shown inside, $5 last alert not sent
select number, alert_number, acknowledged_at, person, note from acknowledgements
where force = $1 and number > $2 and (number > $4 or alert_number <= $5)
order by number limit $3
