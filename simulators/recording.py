"""Where the simulators' spans go: to a file, and to the collector of the services."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from chassis.settings import TelemetrySettings

OTLP_ENDPOINT: Final = os.environ.get("GANTRY_TELEMETRY__OTLP_ENDPOINT")
"""The default of their option. A suite gives its environment to every process, so one variable serves all."""


def recording(
    spans_file: Path | None, otlp_endpoint: str | None, traces_per_second: float = 0.0
) -> TelemetrySettings:
    """Spans in a file, to a collector, or both. By default no trace begins here: others' are continued."""
    return TelemetrySettings(
        spans_file=spans_file,
        otlp_endpoint=otlp_endpoint or None,
        otlp_metrics=False,
        traces_per_second=traces_per_second,
    )
