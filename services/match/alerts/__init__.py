"""Alerts and their events: listed, subscribed to, acknowledged, deleted when their time is over."""
