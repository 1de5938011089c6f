"""The path of one read through the services, from their spans."""
