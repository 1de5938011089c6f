"""Forces are rows: made, listed, watched and retired by remote calls."""
