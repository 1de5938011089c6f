-- Begin a change of the registry: lock it until the transaction ends, and give it a new version.
update registry set version = version + 1
