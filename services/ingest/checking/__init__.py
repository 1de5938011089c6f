"""Checks the reads of a batch: the values to keep, or the reason of rejection. Pure."""
