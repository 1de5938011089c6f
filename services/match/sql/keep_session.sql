-- Have PostgreSQL notice within ten seconds when this session's client is gone without a word.
--   no parameters
select set_config('tcp_keepalives_idle', '4', false), set_config('tcp_keepalives_interval', '2', false),
    set_config('tcp_keepalives_count', '3', false)
