"""Names of cameras for people, learnt from ingest's registry."""
