-- Whether the server still has a segment of the log.
--   $1 name of its file
select exists (select from pg_ls_waldir() where name = $1)
