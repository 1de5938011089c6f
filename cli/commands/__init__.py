"""The verbs: what people type. Each imports what it needs when it runs, so the command starts at once."""
