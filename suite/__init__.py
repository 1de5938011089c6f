"""All of Gantry on one machine: PostgreSQL, certificates and processes."""
