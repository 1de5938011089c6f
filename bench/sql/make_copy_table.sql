-- A table with the columns and indexes of a day of reads.
create table store.bench_copy (like store.reads including all)
