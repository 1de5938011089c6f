"""Cameras have numbers, so that a read carries four bytes instead of a name."""
