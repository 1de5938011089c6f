-- Write a mark to the log, on disk at once; return its end and the timeline. The last byte of its text is not zero: so a copy of the log that goes on
-- with zeros tells whether it holds the mark.
with mark as (select pg_logical_emit_message(false, 'gantry', 'archived up to here', flush => true) as lsn)
select lsn::text, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int as timeline from mark
