-- Delete the receipts of a force that are over age.
--   $1 force, $2 received before
delete from receipts where force = $1 and received_at < $2
