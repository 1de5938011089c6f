-- The least cursor of the registered consumers of a force; its head when none is registered.
--   $1 force_no
select coalesce(
    (select min(position) from consumers where force_no = $1 and retired_at is null),
    (select head from forces where force_no = $1))
