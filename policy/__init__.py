"""Permissions as data: access rules from the contracts, roles, purposes."""
