"""Sends a read a minute through every service, and measures when its alert is heard."""
