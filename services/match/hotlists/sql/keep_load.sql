-- Keep a load for a while from now on; false when it was dropped. No time at all releases it.
--   $1 load, $2 how long
select keep_load($1, $2)
