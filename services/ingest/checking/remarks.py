"""Remarks on reads that are kept: the reason, the field, and a sentence for a person. Never the plate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gantry.ingest.v1 import ingest_pb2 as pb


@dataclass(frozen=True, slots=True)
class Remark:
    """A warning reason of the contract, with the field that it is about and a sentence."""

    reason: pb.WarningReason.ValueType
    field: str
    message: str

    def at(self, index: int) -> pb.Warning:
        """The warning on the batch's read with this index."""
        return pb.Warning(index=index, reason=self.reason, field=self.field, message=self.message)


COUNTRY_SPLIT: Final = Remark(
    pb.WARNING_REASON_COUNTRY_SPLIT,
    "vrm",
    "the country beside the plate was moved to details.plate_country; send it there",
)
COUNTRY_DROPPED: Final = Remark(
    pb.WARNING_REASON_COUNTRY_SPLIT,
    "vrm",
    "the country beside the plate was left out, since details.plate_country is given; send it only there",
)
POSITION_UNKNOWN: Final = Remark(
    pb.WARNING_REASON_POSITION_UNKNOWN,
    "position",
    "0,0 is what a receiver without a fix reports; leave the position out until there is a fix",
)
POSITION_SWAPPED: Final = Remark(
    pb.WARNING_REASON_POSITION_DOUBTFUL,
    "position",
    "the position is not where this camera is expected, but would be if latitude and longitude were swapped",
)
POSITION_FAR: Final = Remark(
    pb.WARNING_REASON_POSITION_DOUBTFUL,
    "position",
    "the position is more than 2 km from the enrolled place of this fixed camera; correct one of the two",
)
POSITION_OUTSIDE: Final = Remark(
    pb.WARNING_REASON_POSITION_DOUBTFUL,
    "position",
    "the position lies outside the area of the force; correct the camera, or ask the force about its area",
)
PLACE_OUTSIDE: Final = Remark(
    pb.WARNING_REASON_POSITION_DOUBTFUL,
    "camera_id",
    "the enrolled place of this camera lies outside the area of the force; ask the force's ANPR engineer",
)
