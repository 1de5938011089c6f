-- Plan the statements behind an alert in this session, without writing anything (warm-up). The epoch is older than any.
--   $1 force, $2 line, $3 loads of the index, $4 now
select
    (select count(*) from find_lines($1, $3, array[0::bigint], $4)),
    raise_alerts($1, $2, -1, '', 0, 0, 0, $4, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}'),
    raise_canary_alerts($1, $2, -1, '', 0, 0, 0, '', $4, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}',
        '{}'),
    append_alerts($1, $4, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
