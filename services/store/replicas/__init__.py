"""Replicas of the store tell each other which logs have grown."""
