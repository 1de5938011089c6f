"""Checks a batch of reads column by column, which is several times faster than read by read.

No Python function of ours runs for each read: each check covers a whole column. When any read might be wrong,
the whole batch is checked again read by read (see `read`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, NamedTuple

from gantry.common.v1.read_pb2 import ReadDetails
from gantry.ingest.v1 import ingest_pb2 as pb

from anpr.identifiers import all_read_ids
from anpr.plate import plain_vrms, understand
from reads.columns import HEADING_UNKNOWN
from services.ingest.cameras.feeds import Feed
from services.ingest.checking.jpeg import fault_in
from services.ingest.checking.places import place_columns
from services.ingest.checking.read import (
    DIRECTIONS,
    MOST_DETAILS_BYTES,
    MOST_HEADING,
    MOST_LANE,
    MOST_NANOS,
    MOST_SPEED_KPH,
    OLDEST_US,
    Row,
    checked_row,
    is_country,
    texts_of,
)
from services.ingest.checking.rejections import Cause, ReadRejected
from services.ingest.checking.remarks import Remark

_PATCH: Final = 9
_OVERVIEW: Final = 10
# Fewer reads than this are checked faster one by one.
_LEAST_FOR_COLUMNS: Final = 6


class KeptReads(NamedTuple):
    """The kept reads of a batch, one element a read in each column. The columns are in the order of `Row`."""

    camera_ids: Sequence[str]
    read_ids: Sequence[str]
    captured_at_us: Sequence[int]
    vrms: Sequence[str]
    confidences: Sequence[float]
    latitudes_e7: Sequence[int]
    longitudes_e7: Sequence[int]
    headings: Sequence[int]
    details: Sequence[bytes]
    plate_patches: Sequence[bytes]
    overviews: Sequence[bytes]


_NOTHING_KEPT: Final = KeptReads((), (), (), (), (), (), (), (), (), (), ())


@dataclass(slots=True)
class Verdict:
    """The kept reads of a batch, as `columns` or else as `rows`, and the rejected ones."""

    kept: int = 0
    """How many reads are kept."""
    columns: KeptReads | None = None
    rows: Sequence[Row] = ()
    rejections: Sequence[pb.Rejection] = ()
    rejected_cameras: Sequence[str] = ()
    """The camera_id of each rejected read, as the vendor wrote it."""
    warnings: Sequence[pb.Warning] = ()

    def as_columns(self) -> KeptReads:
        """The kept reads as columns."""
        if self.columns is None:
            return KeptReads(*zip(*self.rows, strict=True)) if self.rows else _NOTHING_KEPT
        return self.columns


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Most bytes of each image. Larger images are left out."""

    plate_patch_bytes: int
    overview_bytes: int


def check_batch(
    reads: Sequence[pb.SubmittedRead],
    broken: dict[int, Cause],
    feed: Feed,
    latest_us: int,
    images: ImageLimits,
) -> Verdict:
    """Keep the reads that are right and reject the others.

    `broken` gives the cause for each read, by index, that could not be parsed. `latest_us` is the latest
    capture time accepted.
    """
    count = len(reads)
    if count == 1 and not broken:
        verdict = _single(reads[0], feed, latest_us)
        if verdict is not None:
            return verdict
    elif count >= _LEAST_FOR_COLUMNS and not broken:
        columns = columns_of_right_reads(reads, feed, latest_us)
        if columns is not None:
            return _screened(columns, count, images)
    return _one_by_one(reads, broken, feed, latest_us, images)


def _single(read: pb.SubmittedRead, feed: Feed, latest_us: int) -> Verdict | None:
    """The verdict on a batch of one right read without images, the most frequent batch; None for others."""
    remarked: list[Remark] = []
    try:
        row = checked_row(read, feed, latest_us, remarked)
    except ReadRejected:
        return None
    if row[_PATCH] or row[_OVERVIEW]:
        return None
    return Verdict(1, None, (row,), warnings=[remark.at(0) for remark in remarked] if remarked else ())


def columns_of_right_reads(reads: Sequence[pb.SubmittedRead], feed: Feed, latest_us: int) -> KeptReads | None:
    """The columns of a batch of right reads. None when any read might be wrong, or worth a remark."""
    reads = list(reads)
    camera_ids = [read.camera_id for read in reads]
    forces = [read.force for read in reads]
    if any(forces) and not all(not force or force == feed.force for force in forces):
        return None
    captured = _captured_column(reads, latest_us)
    if captured is None or not feed.enabled.keys() >= set(camera_ids):
        return None
    read_ids = [read.read_id for read in reads]
    confidences = [read.confidence for read in reads]
    # NaN compares as neither inside nor outside a range. `not inside` rejects it.
    if not all_read_ids(read_ids) or [value for value in confidences if not 0.0 <= value <= 1.0]:
        return None
    vrms, headings = _vrm_column(reads, feed.rules.not_read_words), _heading_column(reads)
    details = _details_column(reads)
    places = place_columns(reads, camera_ids, feed)
    if vrms is None or headings is None or details is None or places is None:
        return None
    patches, overviews = [read.plate_patch for read in reads], [read.overview for read in reads]
    return KeptReads(
        camera_ids, read_ids, captured, vrms, confidences, *places, headings, details, patches, overviews
    )


def _captured_column(reads: list[pb.SubmittedRead], latest_us: int) -> list[int] | None:
    times = [read.captured_at for read in reads]
    nanos = [time.nanos for time in times]
    column = [time.seconds * 1_000_000 + part // 1000 for time, part in zip(times, nanos, strict=True)]
    if min(nanos) < 0 or max(nanos) > MOST_NANOS:
        return None
    return column if min(column) >= OLDEST_US and max(column) <= latest_us else None


def _vrm_column(reads: list[pb.SubmittedRead], words: frozenset[str]) -> Sequence[str] | None:
    vrms = [read.vrm for read in reads]
    if (plain := plain_vrms(vrms, words)) is not None:
        return plain
    try:
        plates = [understand(vrm, words) for vrm in vrms]
    except ValueError:
        return None
    return None if any(plate.country for plate in plates) else [plate.vrm for plate in plates]


def _heading_column(reads: list[pb.SubmittedRead]) -> list[int] | None:
    headings = [read.heading for read in reads]
    if max(headings) > MOST_HEADING:
        return None
    if 0 not in headings:
        return headings
    return [
        heading or (0 if read.HasField("heading") else HEADING_UNKNOWN)
        for heading, read in zip(headings, reads, strict=True)
    ]


def _details_column(reads: list[pb.SubmittedRead]) -> list[bytes] | None:
    details = [read.details for read in reads]
    column = [detail.SerializeToString() for detail in details]
    if not any(column):
        return column
    # The details of many reads are equal: each is checked once.
    distinct = dict(zip(column, details, strict=True))
    if max(map(len, distinct)) > MOST_DETAILS_BYTES or not _are_details(distinct.values()):
        return None
    return column


def _are_details(details: Collection[ReadDetails]) -> bool:
    if max([detail.lane for detail in details]) > MOST_LANE:
        return False
    if not {detail.direction for detail in details} <= DIRECTIONS:
        return False
    if [speed for detail in details if not 0.0 <= (speed := detail.speed_kph) <= MOST_SPEED_KPH]:
        return False
    countries = {detail.plate_country for detail in details}
    if not all(map(is_country, countries)):
        return False
    if True in [detail.position_doubtful for detail in details]:
        # Only the server says so: the read is checked by itself, which takes it away.
        return False
    return "".join(chain.from_iterable(map(texts_of, details))).isprintable()


def _one_by_one(
    reads: Sequence[pb.SubmittedRead],
    broken: dict[int, Cause],
    feed: Feed,
    latest_us: int,
    images: ImageLimits,
) -> Verdict:
    rows: list[Row] = []
    rejections: list[pb.Rejection] = []
    rejected_cameras: list[str] = []
    warnings: list[pb.Warning] = []
    for index, read in enumerate(reads):
        cause = broken.get(index) if broken else None
        if cause is None:
            remarked: list[Remark] = []
            try:
                row = checked_row(read, feed, latest_us, remarked)
            except ReadRejected as rejected:
                cause = rejected.cause
            else:
                warnings += [remark.at(index) for remark in remarked]
                if row[_PATCH] or row[_OVERVIEW]:
                    row = _screened_row(row, index, images, warnings)
                rows.append(row)
                continue
        rejections.append(cause.at(index))
        rejected_cameras.append(read.camera_id)
    return Verdict(len(rows), None, rows, rejections, rejected_cameras, warnings)


def _screened(columns: KeptReads, kept: int, limits: ImageLimits) -> Verdict:
    """Leave out each image that is too large or no JPEG, with a warning. Its read is kept."""
    warnings: list[pb.Warning] = []
    if any(columns.plate_patches) or any(columns.overviews):
        patches = [
            _image(image, limits.plate_patch_bytes, index, "plate_patch", warnings)
            for index, image in enumerate(columns.plate_patches)
        ]
        overviews = [
            _image(image, limits.overview_bytes, index, "overview", warnings)
            for index, image in enumerate(columns.overviews)
        ]
        columns = columns._replace(plate_patches=patches, overviews=overviews)
    return Verdict(kept, columns, warnings=warnings)


def _screened_row(row: Row, index: int, limits: ImageLimits, warnings: list[pb.Warning]) -> Row:
    return (
        *row[:_PATCH],
        _image(row[_PATCH], limits.plate_patch_bytes, index, "plate_patch", warnings),
        _image(row[_OVERVIEW], limits.overview_bytes, index, "overview", warnings),
    )


def _image(image: bytes, limit: int, index: int, name: str, warnings: list[pb.Warning]) -> bytes:
    """The image; or no bytes, with a warning."""
    if not image:
        return image
    if len(image) > limit:
        fault = f"the image has more than {limit:,} bytes; compress it more"
        remark = Remark(pb.WARNING_REASON_IMAGE_TOO_LARGE, name, fault)
    elif (what := fault_in(image)) is not None:
        remark = Remark(pb.WARNING_REASON_IMAGE_INVALID, name, what)
    else:
        return image
    warnings.append(remark.at(index))
    return b""
