"""The names of the metrics that every gRPC server has. Dashboards and alarms rely on them.

A service names its own spans and metrics in its ``names.py``. RPC spans are named after their method, for
example ``gantry.store.v1.SearchService/GetRead``. Metrics follow Prometheus: the unit is the last word, in
seconds or bytes. Labels are few and bounded: a force, a destination, a reason code; never a camera, never a
VRM.
"""

from enum import StrEnum


class MetricName(StrEnum):
    """Instruments of the guard; the unit is the last word."""

    RPC_SECONDS = "gantry_rpc_seconds"
    RPC_STREAMS = "gantry_rpc_streams"
    RPC_ERRORS = "gantry_rpc_errors"
