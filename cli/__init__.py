"""The `gantry` command, with which people start a suite, watch it, send reads to it and query it."""
