"""The one reader of delimited files and JSON lines: bytes in any chunks become rows, bad lines are named."""
