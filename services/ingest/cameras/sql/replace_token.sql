-- Give a feed another token.
--   $1 force, $2 feed, $3 SHA-256 of the token
update feeds set token_sha256 = $3, token_issued_at = present() where force = $1 and feed = $2
