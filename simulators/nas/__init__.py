"""A simulated National ANPR Service that speaks Gantry's own contract, not the official one."""
