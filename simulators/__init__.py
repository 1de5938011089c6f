"""Stand-ins for what is outside Gantry: cameras and national services. Never imported by what runs in production."""
