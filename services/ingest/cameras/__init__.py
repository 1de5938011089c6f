"""Cameras, the feeds that carry them, the tokens of feeds, and the counts of each camera."""
