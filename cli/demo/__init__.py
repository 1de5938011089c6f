"""The self-check: runs the suite for a time, then checks that no read was lost, doubled or not matched."""
