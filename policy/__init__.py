"""Who may do what, as data: access rules from the contracts, roles, purposes."""
