"""Consumers of the log and their cursors."""
