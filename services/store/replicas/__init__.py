"""Notices between replicas of the store: which logs have grown."""
