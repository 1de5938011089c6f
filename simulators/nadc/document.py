"""The batch document and its answer, as `simulators/nadc/README.md` describes them.

A batch holds thousands of reads, so expat's events fill lists. No tree of elements is built.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.parsers import expat
from xml.sax.saxutils import quoteattr

from simulators.national.ledger import Identities

MOST_READS: Final = 20_000
_FORCE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_SECOND_LENGTH: Final = len("2025-11-21T21:13:32")
_CAPTURED_LENGTH: Final = len("2025-11-21T21:13:32.123456Z")


class DocumentError(ValueError):
    """The batch cannot be understood; one sentence that says where."""


@dataclass(frozen=True)
class Batch:
    """The parts of a batch document that the centre uses."""

    name: str
    reads: Identities
    plate_patches: int
    overviews: int


@dataclass(frozen=True)
class Answer:
    """The centre's answer to a batch. `refused`: sequence numbers of reads."""

    receipt: str
    batch: str
    received: datetime
    accepted: int
    duplicate: int
    refused: Sequence[int]
    reason: str


def parse_batch(document: bytes) -> Batch:
    """Parse a batch. Raises DocumentError, also for a document type declaration: it could define entities."""
    collector = _Collector()
    parser = expat.ParserCreate()
    parser.StartElementHandler = collector.start
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)
    except KeyError as error:
        raise DocumentError(f"A Read lacks the attribute {error.args[0]}.") from None
    except expat.ExpatError as error:
        raise DocumentError(f"The document is not well-formed XML: {error}.") from None
    return collector.batch()


def answer_document(answer: Answer) -> str:
    """The receipt as XML. Reads that are not named were accepted or are duplicates."""
    refused = (
        f'  <Refused seq="{index}" reason={quoteattr(answer.reason)}>Refused on request.</Refused>\n'
        for index in answer.refused
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<BatchReceipt receipt={quoteattr(answer.receipt)} batch={quoteattr(answer.batch)}"
        f' received="{answer.received.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}" accepted="{answer.accepted}"'
        f' duplicate="{answer.duplicate}" refused="{len(answer.refused)}">\n'
        f"{''.join(refused)}</BatchReceipt>\n"
    )


def fault_document(code: str, text: str) -> str:
    """The rejection of a whole batch as XML."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<BatchFault code={quoteattr(code)} text={quoteattr(text)}/>\n"
    )


class _Collector:
    """Collects columns from expat's events. Keeping thousands of attribute maps would cost more."""

    def __init__(self) -> None:
        self.root: dict[str, str] = {}
        self.cameras: list[str] = []
        self.ids: list[str] = []
        self.captured: list[str] = []
        self.plates = 0
        self.images: list[str | None] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Read":
            self.cameras.append(attributes["camera"])
            self.ids.append(attributes["id"])
            self.captured.append(attributes["captured"])
            self.plates += "plate" in attributes
        elif name == "Image":
            self.images.append(attributes.get("kind"))
        elif name == "ReadBatch":
            self.root = attributes
        else:
            raise DocumentError(f"There is an element {name[:40]!r}, which has no place in a batch.")

    def batch(self) -> Batch:
        force, count = self.root.get("force", ""), len(self.ids)
        if not _FORCE.fullmatch(force):
            raise DocumentError("ReadBatch should have a force of 1 to 32 of a-z, 0-9 and dash.")
        if not 0 < count <= MOST_READS:
            raise DocumentError(f"A batch should have 1 to {MOST_READS} reads; this has {count}.")
        if self.root.get("count") != str(count):
            raise DocumentError("The count of ReadBatch differs from the number of reads.")
        if self.plates != count:
            raise DocumentError("A Read lacks the attribute plate.")
        reads = Identities(force, self.cameras, _microseconds(self.captured), self.ids)
        return Batch(
            self.root.get("name", ""), reads, self.images.count("plate"), self.images.count("overview")
        )


class _Seconds(dict[str, int]):
    """Time to the second as text -> seconds since the epoch, each parsed once: a batch spans few of them."""

    def __missing__(self, text: str) -> int:
        self[text] = second = int(datetime.fromisoformat(text + "+00:00").timestamp())
        return second


def _microseconds(captured: list[str]) -> list[int]:
    seconds = _Seconds()
    if any(len(text) != _CAPTURED_LENGTH or text[-1] != "Z" for text in captured):
        raise DocumentError("A Read's captured is not like 2025-11-21T21:13:32.123456Z.")
    try:
        return [seconds[text[:_SECOND_LENGTH]] * 1_000_000 + int(text[20:26]) for text in captured]
    except ValueError:
        raise DocumentError("A Read's captured is not like 2025-11-21T21:13:32.123456Z.") from None


def _refuse_doctype(*_: object) -> None:
    raise DocumentError("A document type declaration is not allowed.")
