-- The cursor of the consumer that is furthest behind; 0 when a required one never reported.
--   $1 force_no, $2 required consumers
select case
    when exists (select from unnest($2::text[]) as required where not exists (
        select from consumers where force_no = $1 and consumer = required)) then 0
    else coalesce((select min(position) from consumers where force_no = $1), (select head from forces where force_no = $1))
end
