"""Delivers the log to a destination: one line of `following` for each force and destination."""
