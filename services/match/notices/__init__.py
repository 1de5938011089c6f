"""Notices between the replicas of match: events were appended, hotlists were exchanged."""
