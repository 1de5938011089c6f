-- Tell every replica. Runs after the commits that it is about: NOTIFY takes a lock of the whole cluster until its transaction has been
-- flushed, so this one does not wait for the disk.
--   $1 channels, $2 payloads: parallel arrays
select set_config('synchronous_commit', 'off', true), pg_notify(channel, payload)
from unnest($1::text[], $2::text[]) as told (channel, payload)
