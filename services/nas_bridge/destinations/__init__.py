"""Adapters: one small module for each kind of destination."""
