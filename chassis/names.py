"""The metrics that every gRPC server has. Dashboards and alarms rely on them.

A service names its own spans and metrics in its ``names.py``. RPC spans are named after their method, for
example ``gantry.store.v1.SearchService/GetRead``. Metrics follow Prometheus: the unit is the last word, in
seconds or bytes. Labels are few and bounded: a force, a destination, a reason code; never a camera, never a
VRM.
"""

from chassis.metrics import Kind, Metric


class MetricName(Metric):
    """Instruments of the chassis."""

    BUILD_INFO = "gantry_build_info", Kind.GAUGE, "1", "1, with the version", "service", "version"
    RPC_SECONDS = "gantry_rpc_seconds", Kind.HISTOGRAM, "s", "Time to answer a unary call", "method"
    RPC_STREAMS = "gantry_rpc_streams", Kind.GAUGE, "1", "Open streams", "method"
    RPC_STREAMS_BEGUN = "gantry_rpc_streams_begun", Kind.COUNTER, "1", "Streams begun", "method"
    RPC_ERRORS = "gantry_rpc_errors", Kind.COUNTER, "1", "Failed calls", "method", "status", "reason"
    CERTIFICATE_SECONDS_LEFT = (
        "gantry_certificate_seconds_left",
        Kind.GAUGE,
        "1",
        "Seconds until the certificate in use ends, and until its authority does",
        "file",
    )
    RPC_FAILURES = (
        "gantry_rpc_failures",
        Kind.COUNTER,
        "1",
        "Those that failed by no fault of the caller",
        "method",
        "kind=unavailable|unexpected",
    )
    STARTED_SECONDS = (
        "gantry_process_started_seconds",
        Kind.GAUGE,
        "s",
        "When the process started, in seconds since 1970",
        "service",
    )
    LOOP_DELAY_SECONDS = (
        "gantry_process_loop_delay_seconds",
        Kind.GAUGE,
        "s",
        "Longest delay of the event loop within the last minute",
    )
    DATABASE_POOL_SHARE = (
        "gantry_database_pool_share",
        Kind.GAUGE,
        "1",
        "Connections in use, as a share of POOL_SIZE",
    )
