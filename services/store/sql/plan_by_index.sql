-- Keep the plans of this transaction to indexes where there are any. The planner takes a Bloom filter for useless, and cannot know how far
-- a partition has grown since it was last analysed.
--   no parameters
select set_config('enable_seqscan', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)
