-- How many connections the server has for roles that are no superuser.
--   no parameters
select sum(setting::int * case name when 'max_connections' then 1 else -1 end)::int
from pg_settings
where name in ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
