-- Make the rows of lines and of their cursors; those that exist stay as they are.
--   $1 forces, $2 lines, $3 state, $4 cursors
with added as (
    insert into lines (force, line, state)
    select force, line, $3 from unnest($1::text[]) as force, unnest($2::text[]) as line
    on conflict do nothing
)
insert into line_cursors (force, line, cursor)
select force, line, cursor from unnest($1::text[]) as force, unnest($2::text[]) as line, unnest($4::text[]) as cursor
on conflict do nothing
