-- Lines of a load whose plate an earlier line has, each with the first line of that plate; for at most $2 plates.
--   $1 load, $2 most
with plates as (
    select folded_key, vrm, min(line) as first_line from entries
    where load_no = $1
    group by folded_key, vrm having count(*) > 1
    order by folded_key, vrm limit $2
)
select line, first_line from entries join plates using (folded_key, vrm)
where load_no = $1 and line > first_line
order by line limit $2
