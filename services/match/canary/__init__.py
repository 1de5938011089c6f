"""The canary's side of match: its hotlist, and the stream of its alerts."""
