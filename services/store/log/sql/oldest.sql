-- The position just before a force's oldest append; null when there is none.
--   $1 force_no
select first_position - 1 from appends where force_no = $1 order by last_position limit 1
