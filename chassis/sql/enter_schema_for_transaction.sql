-- Look up names in one schema for the rest of this transaction.
--   $1 schema name
select set_config('search_path', quote_ident($1::text), true)
