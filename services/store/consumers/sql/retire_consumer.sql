-- Retire a consumer. One that is unknown or retired stays as it is.
--   $1 force_no, $2 consumer
update consumers set retired_at = present() where force_no = $1 and consumer = $2 and retired_at is null
