-- Answer when the registry can be read.
select version from registry
