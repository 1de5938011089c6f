"""Checks the reads of a batch: what is kept of each, or why it is rejected. Pure."""
