"""Measure the figures that the design names, each beside raw COPY in the same run: ``make bench``."""
