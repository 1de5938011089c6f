-- Read the configuration again.
select pg_reload_conf()
