"""The four services; they never import each other and meet only in the contracts."""
