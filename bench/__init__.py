"""Measure the figures that the design names, each beside raw COPY in the same run: ``make bench``."""

import os

# As in services.ingest: gRPC's older poller costs a quarter less for each message of many streams.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")
