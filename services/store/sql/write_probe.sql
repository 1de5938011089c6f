-- Write the row that belongs to no force.
--   no parameters
update write_probe set written_at = now()
