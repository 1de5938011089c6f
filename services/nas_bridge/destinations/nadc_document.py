"""The NADC batch document and its receipt, as ``simulators/nadc/README.md`` describes them.

Whole columns are turned into text at once: one format operation a read. A column is escaped if it must be.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import repeat
from typing import Final
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import quoteattr

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from gantry.common.v1.read_columns_pb2 import ReadColumns

from reads.columns import HEADING_UNKNOWN, PLACE_UNKNOWN
from reads.read import degrees

_READ: Final = '<Read camera="%s" id="%s" captured="%s%06dZ" plate="%s" confidence="%.3f"%s%s%s'
_HEADINGS: Final = [*(f' heading="{heading}"' for heading in range(HEADING_UNKNOWN)), ""]
_SPECIAL: Final = re.compile('[&<>"\x00-\x1f\ufffe\uffff]')
_ESCAPES: Final = {
    # XML cannot express these characters, not even as references. Ingest refuses them. If one arrives, it
    # must not lead to a document that NADC always refuses.
    **{ord(character): "\ufffd" for character in (*map(chr, range(32)), "\ufffe", "\uffff")},
    **str.maketrans(
        {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
    ),
}


class AnswerError(ValueError):
    """The answer is not a receipt. The text is short and quotes nothing of the answer."""


@dataclass(frozen=True)
class BatchReceipt:
    """A receipt as NADC wrote it. `refused`: (sequence number, reason, message) of each refused read."""

    receipt: str
    accepted: int
    duplicate: int
    refused: Sequence[tuple[int, str, str]]


def batch_document(force: str, name: str, runs: Iterable[ReadColumns]) -> bytes:
    """One batch as XML. Reads are numbered from 0 in the order given."""
    reads = [text for run in runs for text in _reads(run)]
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<ReadBatch name={quoteattr(name)} force={quoteattr(force)} count={quoteattr(str(len(reads)))}>\n"
    )
    return f"{head}{''.join(reads)}</ReadBatch>\n".encode()


def parse_receipt(document: bytes) -> BatchReceipt:
    """Parse NADC's receipt. Raises AnswerError."""
    root = _parse(document)
    if root.tag != "BatchReceipt":
        raise AnswerError("the answer is no BatchReceipt")
    try:
        refused = [
            (int(each.attrib["seq"]), each.attrib["reason"], each.text or "") for each in root.iter("Refused")
        ]
        counts = int(root.attrib["accepted"]), int(root.attrib["duplicate"])
        return BatchReceipt(root.attrib["receipt"], *counts, refused)
    except (KeyError, ValueError):
        raise AnswerError("the receipt lacks a number or its name") from None


def parse_fault(document: bytes) -> str:
    """The code of a BatchFault, or "" when the document is something else."""
    try:
        root = _parse(document)
    except AnswerError:
        return ""
    code = root.attrib.get("code", "")
    return code if root.tag == "BatchFault" and re.fullmatch(r"[A-Z_]{1,40}", code) else ""


def _parse(document: bytes) -> Element:
    try:
        root: Element = ElementTree.fromstring(document, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise AnswerError("the answer is not XML that can be trusted") from None
    return root


def _reads(run: ReadColumns) -> Iterator[str]:
    cameras = _escaped(run.camera_ids)
    when = list(map(divmod, run.captured_at_us, repeat(1_000_000)))
    seconds = _Seconds()
    rows = zip(
        [cameras[index] for index in run.camera_indexes],
        _escaped(run.read_ids),
        [seconds[second] for second, _ in when],
        [rest for _, rest in when],
        _escaped(run.vrms),
        run.confidences,
        _places(run),
        _headings(run),
        _images(run),
        strict=True,
    )
    return map(_READ.__mod__, rows)


class _Seconds(dict[int, str]):
    """Seconds since the epoch -> text, each formatted once: a batch spans few of them."""

    def __missing__(self, second: int) -> str:
        self[second] = text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return text


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    if not _SPECIAL.search("".join(texts)):
        return texts
    return [text.translate(_ESCAPES) for text in texts]


class _Places(dict[tuple[int, int], str]):
    """Latitude and longitude in 1e-7 degrees -> attributes, each formatted once: most cameras do not move."""

    def __missing__(self, place: tuple[int, int]) -> str:
        latitude, longitude = place
        text = (
            ""
            if latitude == PLACE_UNKNOWN
            else f' lat="{degrees(latitude):.7f}" lon="{degrees(longitude):.7f}"'
        )
        self[place] = text
        return text


def _places(run: ReadColumns) -> Iterable[str]:
    places = _Places()
    return map(places.__getitem__, zip(run.latitudes_e7, run.longitudes_e7, strict=True))


def _headings(run: ReadColumns) -> Iterable[str]:
    if not run.headings:
        return repeat("", len(run.read_ids))
    return map(_HEADINGS.__getitem__, run.headings)


def _images(run: ReadColumns) -> Iterable[str]:
    if not run.plate_patches and not run.overviews:
        return repeat("/>\n", len(run.read_ids))
    none = repeat(b"", len(run.read_ids))
    pairs = zip(run.plate_patches or none, run.overviews or none, strict=True)
    return [_pictures(patch, overview) for patch, overview in pairs]


def _pictures(patch: bytes, overview: bytes) -> str:
    if not patch and not overview:
        return "/>\n"
    return f">{_picture('plate', patch)}{_picture('overview', overview)}</Read>\n"


def _picture(kind: str, jpeg: bytes) -> str:
    return f'<Image kind="{kind}">{b64encode(jpeg).decode("ascii")}</Image>' if jpeg else ""
