"""The buckets of every histogram, by its unit. The default buckets of OpenTelemetry are for milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from opentelemetry.metrics import Histogram
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View

# Close together around our own targets (alerts within 50 ms, acknowledgements within 100 ms). Only reads that
# waited for the end of an outage take longer than a minute.
_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
)
# From a single read to more than the largest commit.
_COUNTS: Final = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1e3, 2.5e3, 5e3, 1e4, 2.5e4, 5e4)

BOUNDARIES: Final[Mapping[str, Sequence[float]]] = {"s": _SECONDS, "1": _COUNTS}
"""Upper bounds by unit, in that unit."""


def bucket_views() -> list[View]:
    """The views through which a meter provider uses them."""
    return [
        View(
            instrument_type=Histogram,
            instrument_unit=unit,
            aggregation=ExplicitBucketHistogramAggregation(bounds),
        )
        for unit, bounds in BOUNDARIES.items()
    ]
