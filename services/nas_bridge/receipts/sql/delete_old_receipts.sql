-- Delete the receipts of the declared forces that are over age.
--   $1 age in seconds
delete from receipts where received_at < (select present()) - make_interval(secs => $1)
