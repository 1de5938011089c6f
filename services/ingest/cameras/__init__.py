"""Cameras, the feeds that carry them, the tokens of feeds, and what each camera has delivered."""
