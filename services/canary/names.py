"""The names of the canary's metrics. Dashboards and alarms rely on them."""

from chassis.metrics import Kind, Metric


class MetricName(Metric):
    """Instruments of the canary; the unit is the last word."""

    CANARY_SENT = (
        "gantry_canary_sent",
        Kind.COUNTER,
        "1",
        "Canaries that were due, also those that could not be sent",
        "force",
    )
    CANARY_HEARD = "gantry_canary_heard", Kind.COUNTER, "1", "Those whose alert was heard in time", "force"
    CANARY_SECONDS = (
        "gantry_canary_seconds",
        Kind.HISTOGRAM,
        "s",
        "Time from sending a canary to hearing its alert",
        "force",
    )
    CANARY_MISSED = (
        "gantry_canary_missed",
        Kind.GAUGE,
        "1",
        "Canaries in a row that were not heard in time",
        "force",
    )
