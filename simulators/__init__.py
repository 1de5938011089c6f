"""Stand-ins for what is outside Gantry: cameras and national services. Nothing in production imports them."""
