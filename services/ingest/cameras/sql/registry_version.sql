-- The version of the registry.
select version from registry
