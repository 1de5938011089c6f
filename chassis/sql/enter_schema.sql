-- Look up and create names in one schema for the rest of this session.
--   $1 schema name
select set_config('search_path', quote_ident($1::text), false)
