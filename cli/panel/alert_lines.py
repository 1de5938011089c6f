"""An alert in one line of the panel, and the newest and the open ones of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Alert

from cli.alert_text import LOW_CONFIDENCE, marked_plates
from cli.panel.state import AlertLine

# Beyond it a read was late or a clock wrong, and the difference does not measure Gantry.
_MEANINGFUL_MS: Final = 60_000.0


def alert_line(alert: Alert) -> AlertLine:
    """An alert for the panel. Its time is from capture to alert, where that is meaningful."""
    raised = alert.raised_at.ToDatetime(tzinfo=UTC)
    after = (alert.raised_at.ToMicroseconds() - alert.read.captured_at.ToMicroseconds()) / 1000
    return AlertLine(
        raised_at=_when(raised, datetime.now(UTC)),
        force=alert.read.force,
        vrm=alert.read.vrm,
        near=alert.kind == MATCH_KIND_NEAR,
        camera_id=alert.read.camera_id,
        reason=_reason(alert),
        milliseconds=after if 0 <= after < _MEANINGFUL_MS else None,
    )


class AlertBoard:
    """The newest alerts, each once, in the order in which they were raised."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._alerts: dict[tuple[str, str], tuple[int, AlertLine]] = {}

    def add(self, alert: Alert) -> None:
        """Show an alert; one that is shown already stays as it is."""
        key = alert.read.force, alert.alert_id
        self._alerts.setdefault(key, (alert.raised_at.ToMicroseconds(), alert_line(alert)))
        if len(self._alerts) > self._most:
            del self._alerts[min(self._alerts, key=lambda known: self._alerts[known][0])]

    def lines(self) -> Sequence[AlertLine]:
        """The alerts, newest first."""
        newest_first = sorted(self._alerts.values(), key=lambda known: known[0], reverse=True)
        now = datetime.now(UTC)
        return [
            replace(line, raised_at=_when(datetime.fromtimestamp(raised_us / 1e6, UTC), now))
            for raised_us, line in newest_first
        ]


def _when(raised: datetime, now: datetime) -> str:
    """The time of an alert; with its date unless that is today, since open alerts may be days old."""
    return f"{raised:%H:%M:%S}" if raised.date() == now.date() else f"{raised:%Y-%m-%d %H:%M}"


def _reason(alert: Alert) -> str:
    """The reason behind what an operator has to know first."""
    parts = ["LATE"] if alert.late else []
    parts += alert.markers
    if alert.differing_characters:
        parts.append(f"for {marked_plates(alert)[1]}:")
    parts.append(alert.reason)
    if alert.read.confidence < LOW_CONFIDENCE:
        parts.append(f"(confidence {alert.read.confidence:.2f})")
    return " ".join(parts)
