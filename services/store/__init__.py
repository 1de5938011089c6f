"""The buffer: a durable log of reads that is also searchable, with its images, audit trail and retention."""

from typing import Final

MIGRATIONS: Final = ("chassis", "services.store")
"""The packages whose migrations make the schema, in order."""
