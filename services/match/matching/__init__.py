"""Matching: the step that turns reads of a force's log into alerts."""
