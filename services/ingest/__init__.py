"""The public door: takes reads from cameras, and acknowledges only what the store has committed."""
