-- Set settings until the end of the session.
--   $1 a JSON object of names and values
select set_config(name, value, false) from json_each_text($1::text::json) as settings (name, value)
