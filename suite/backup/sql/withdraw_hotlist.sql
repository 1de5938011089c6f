-- Give a hotlist an empty content, under the version that it had at the end: the next import gets a newer one.
--   $1 force, $2 name, $3 version, $4 load
update match.hotlists set version = $3, load_no = $4, entries = 0 where force = $1 and name = $2
