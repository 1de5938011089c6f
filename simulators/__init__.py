"""Simulators of the systems outside Gantry: cameras and national services. Production code imports none."""
