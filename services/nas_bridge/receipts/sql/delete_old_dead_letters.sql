-- Delete the dead letters of the declared forces that are over age.
--   $1 age in seconds
delete from dead_letters where refused_at < (select present()) - make_interval(secs => $1)
