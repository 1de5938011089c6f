"""The public port: accepts reads from cameras, and acknowledges those that the store has committed."""

import os
from typing import Final

# gRPC reads this when it is imported, so it has to be here. Its event engine hands every message through
# threads of its own; the older poller does not, and saves a quarter of the CPU of a single read on a stream.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")

MIGRATIONS: Final = ("chassis", "services.ingest")
"""The packages whose migrations make the schema, in order."""
