"""Destinations as rows, the verbs that change them, and one adapter for each protocol."""
