-- Drop a load that no hotlist uses and no import fills; false when it is in use.
--   $1 load
select drop_load($1)
