"""Logs why a connection does not work, once for each cause, to the logger ``gantry_sdk``."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from gantry.ingest.v1.ingest_pb2 import Rejection
from gantry.ingest.v1.ingest_pb2 import Warning as Remark

from gantry_sdk.errors import FeedError, FeedRefused, ServerNotTrusted
from gantry_sdk.receipts import Receipt, reason_name, remark_text

_REPEAT_SECONDS: Final = 60.0
_ADVICE: Final = {
    "CERTIFICATE_NOT_TRUSTED": "its certificate is expired, or not of the authority that was given: check "
    "the address, and ask the force for its authority's current certificate",
    "SERVER_NAME_WRONG": "its certificate is for another name: check the address, or give server_name",
    "AUTHORITY_INVALID": "the authority that was given cannot be used: ask the force for its PEM file",
    "NOT_TLS": "what answers there does not speak TLS: check host and port",
    "NAME_NOT_RESOLVED": "its name cannot be resolved: check the address and the name server",
    "SERVER_UNREACHABLE": "no server answers there: check host, port, network and firewall",
}
_VERDICTS: Final[dict[type, str]] = {Rejection: "a read was refused:", Remark: "of a read that is stored:"}
_log = logging.getLogger("gantry_sdk")


class Trouble:
    """The reasons why streams of a connection have no server.

    All streams share it, so a thousand that lose a server together log it once. A cause that comes and goes
    is logged at most once a minute.
    """

    def __init__(self, target: str = "the server", clock: Callable[[], float] = time.monotonic) -> None:
        self.target = target
        self._clock = clock
        self._told: dict[str, float] = {}
        self._remarked: dict[str, float] = {}
        self._down = False

    def failed(self, error: FeedError) -> None:
        """A connection ended or failed."""
        self._down = True
        if error.reason in self._told:
            return
        self._told[error.reason] = self._clock()
        _log.warning("%s: %s. %s", self.target, _sentence(error), _what_follows(error))

    def remarked(self, receipt: Receipt) -> None:
        """A receipt that the program does not take has rejections or warnings: log each reason at times."""
        now = self._clock()
        remarks: list[Rejection | Remark] = [*receipt.rejections, *receipt.warnings]
        for remark in remarks:
            reason = reason_name(remark)
            if now - self._remarked.get(reason, -_REPEAT_SECONDS) >= _REPEAT_SECONDS:
                self._remarked[reason] = now
                _log.warning("%s: %s %s", self.target, _VERDICTS[type(remark)], remark_text(remark))

    def over(self) -> None:
        """The server has answered."""
        if self._down:
            self._down = False
            _log.info("%s: connected again", self.target)
        before = self._clock() - _REPEAT_SECONDS
        self._told = {reason: told for reason, told in self._told.items() if told > before}


def _sentence(error: FeedError) -> str:
    advice = _ADVICE.get(error.reason)
    return str(error) if advice is None else f"{advice} ({error.reason}: {error.message.rstrip('.')})"


def _what_follows(error: FeedError) -> str:
    if isinstance(error, FeedRefused):
        return "The stream has ended; trying again is useless"
    if isinstance(error, ServerNotTrusted):
        return "Waiting will not mend this. Reads are kept and the server is tried again"
    return "Reads are kept and sent again"
