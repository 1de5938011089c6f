"""People search the buffer for plates, reads and images."""
