-- Make a feed; returns a row when it is new.
--   $1 force, $2 feed, $3 SHA-256 of its token
insert into feeds (force, feed, token_sha256) values ($1, $2, $3)
on conflict (force, feed) do nothing
returning feed
