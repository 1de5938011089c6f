"""Disaster drills: lose the primary database, lose the whole site, and measure what that costs."""
