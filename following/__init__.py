"""How a consumer follows a log: lease, tail, gather, line."""
