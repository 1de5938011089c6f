"""The buffer: a durable log of reads that is also searchable, with its images, audit trail and retention."""
