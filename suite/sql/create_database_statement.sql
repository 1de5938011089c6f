-- The statement that makes a database, empty or as a copy of a template.
--   $1 name, $2 template
select format('create database %I template %I', $1::text, $2::text)
