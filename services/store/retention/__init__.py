"""Reads are deleted when their time is over; the state of the buffer."""
