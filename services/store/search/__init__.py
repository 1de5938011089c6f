"""Search of the buffer for plates, reads and images, for people."""
