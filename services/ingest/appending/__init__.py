"""Appends what vendors delivered to the store: many batches in one append, for each force by itself."""
