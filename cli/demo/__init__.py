"""The self-check: run the whole suite for a while, then prove that nothing was lost, doubled or missed."""
