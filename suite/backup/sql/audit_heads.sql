-- The number of the newest audit record of each force.
select force, number from store.audit_chains
