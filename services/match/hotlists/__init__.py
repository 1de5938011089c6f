"""Hotlists: imported from files, kept in PostgreSQL, listed for people."""
