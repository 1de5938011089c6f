-- Have the matching of a force begin with its hotlists as they are now.
--   $1 force
update match.lines set epoch = epoch + 1 where force = $1
