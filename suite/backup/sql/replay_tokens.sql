-- Give feeds the tokens that they had at the end. Returns how many changed, without those of canaries.
--   parallel arrays: $1 forces, $2 feeds, $3 SHA-256 of the tokens as hex; $4 name of the feeds of canaries
with changed as (
    update ingest.feeds as f set token_sha256 = decode(given.token, 'hex'), token_issued_at = clock_timestamp()
    from unnest($1::text[], $2::text[], $3::text[]) as given (force, feed, token)
    where f.force = given.force and f.feed = given.feed and f.token_sha256 <> decode(given.token, 'hex')
    returning f.feed
)
select count(*) from changed where feed <> $4
