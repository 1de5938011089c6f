"""The audit trail: what people did, and why, in one hash chain for each force."""
