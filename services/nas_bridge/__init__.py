"""Delivers every read of the log to the national service and other destinations."""
