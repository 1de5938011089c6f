-- Which of these roles have connections to this database; null for none.
--   $1 roles
select array_agg(distinct usename::text order by usename::text)
from pg_stat_activity
where datname = current_database() and usename = any ($1::text[])
