"""An alert in one line of the panel."""

from datetime import UTC
from typing import Final

from gantry.match.v1.alert_pb2 import MATCH_KIND_NEAR, Alert

from cli.panel.state import AlertLine

# Beyond it a read was late or a clock wrong, and the difference does not measure Gantry.
_MEANINGFUL_MS: Final = 60_000.0


def alert_line(alert: Alert) -> AlertLine:
    """An alert for the panel. Its time is from capture to alert, where that is meaningful."""
    raised = alert.raised_at.ToDatetime(tzinfo=UTC)
    after = (alert.raised_at.ToMicroseconds() - alert.read.captured_at.ToMicroseconds()) / 1000
    return AlertLine(
        raised_at=f"{raised:%H:%M:%S}",
        force=alert.read.force,
        vrm=alert.read.vrm,
        near=alert.kind == MATCH_KIND_NEAR,
        camera_id=alert.read.camera_id,
        reason=alert.reason,
        milliseconds=after if 0 <= after < _MEANINGFUL_MS else None,
    )
