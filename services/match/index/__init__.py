"""The keys of a force's active hotlists in memory: which reads may match an entry."""
