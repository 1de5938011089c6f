-- Take the table away again.
drop table if exists store.bench_copy
