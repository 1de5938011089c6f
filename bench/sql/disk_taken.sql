-- Bytes on disk of all partitions of reads with their indexes, and of appends; and the number of reads ever stored.
select (select coalesce(sum(pg_total_relation_size(relid)), 0) from pg_partition_tree('store.reads'))
     + pg_total_relation_size('store.appends') as taken,
       (select sum(reads_stored) from store.forces) as reads
