-- Make a load the content of a hotlist, as its next version.
--   $1 force, $2 name, $3 load, $4 near matches, $5 entries, $6 now, $7 person
insert into hotlists (force, name, version, load_no, near_matches, entries, activated_at, imported_by)
values ($1, $2, 1, $3, $4, $5, $6, $7)
on conflict (force, name) do update
set version = hotlists.version + 1, load_no = excluded.load_no, near_matches = excluded.near_matches,
    entries = excluded.entries, activated_at = excluded.activated_at, imported_by = excluded.imported_by
returning hotlist_no, version
