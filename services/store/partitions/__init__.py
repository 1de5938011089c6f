"""Partitions by day of capture: made before they are needed, summarised as they fill."""
