-- Loads of a force that no hotlist uses: being filled, replaced, or left behind by a dead process.
--   $1 force
select load_no from loads
where force = $1 and not exists (select from hotlists where hotlists.load_no = loads.load_no)
order by load_no
