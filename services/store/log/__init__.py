"""The log: reads appended in order, followed live and from the past."""
