"""Measure the figures that the design names, each beside raw COPY in the same run: ``make bench``."""

import os

# As in services.ingest: gRPC's older poller costs a quarter less for each message of many streams.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
# Generators are started by fork and exec, which needs nothing of gRPC; without this it logs a line each time.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
