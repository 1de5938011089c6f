-- The cluster and its version.
select system_identifier::text as system, current_setting('server_version') as version from pg_control_system()
