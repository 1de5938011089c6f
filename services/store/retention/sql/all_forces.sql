-- Codes of all forces, retired ones included.
--   no parameters
select force from forces order by force_no
