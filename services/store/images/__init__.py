"""Plate patches and overviews in the object store."""
