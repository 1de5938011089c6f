-- Bytes of rows and indexes of the largest day that is kept, all forces together; 0 without any day.
--   no parameters; the names of partitions are those that `make_day` gives
select coalesce(max(size), 0)::bigint
from (
    select sum(pg_total_relation_size(oid)) as size
    from pg_class
    where relnamespace = 'store'::regnamespace and relkind = 'r' and relname ~ '^reads_f\d+_d\d{8}$'
    group by right(relname, 8)
) as sizes
