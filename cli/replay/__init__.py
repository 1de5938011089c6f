"""Send a file of reads to ingest as a camera would: read, check, pace, send, sum up."""
