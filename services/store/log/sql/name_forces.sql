-- Name the forces whose rows the rest of this transaction may see and write. Also keep its plans to indexes where there are any:
-- the planner takes a Bloom filter for useless, and cannot know how far a partition has grown since it was last looked at.
--   $1 force codes, joined by commas
select set_config('gantry.forces', $1, true), set_config('enable_seqscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true)
