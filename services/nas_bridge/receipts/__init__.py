"""Receipts of destinations, and the reads that destinations refused (dead letters)."""
