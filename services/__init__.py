"""The services; they never import each other and meet only in the contracts."""

import os

# gRPC writes its own lines, which are not JSON, to standard error: at INFO, its default, one for each foreign
# connection to a port. It reads this when it is imported, so no later place will do.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
