-- Drop a load that nobody uses or fills; false when it has to stay for now.
--   $1 load
select drop_load($1)
