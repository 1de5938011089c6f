"""The `gantry` command: how people start, watch, feed and question a suite."""
