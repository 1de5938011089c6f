"""A thin typed client for each service: deadline, retry where a repeat is harmless, faults unwrapped."""
