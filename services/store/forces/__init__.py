"""Forces, and the directory that sends them to every service."""
