-- Have match keep alerts closed until it has deleted again what was deleted since the backup.
--   $1 what was restored
insert into match.restoration (subject) values ($1)
on conflict (only_row) do update set restored_at = excluded.restored_at, subject = excluded.subject
