-- The folded keys of a load, in no order.
--   $1 load
select folded_key from entries where load_no = $1
