-- The index that finds duplicates, which each partition has for itself.
create unique index on store.bench_copy (captured_at_us, hashtextextended(read_id, camera_no))
