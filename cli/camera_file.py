"""A file of cameras to enrol, read by the reader of all tables."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1.cameras_pb2 import Camera, CameraKind

from cli.exits import CliError, Exit
from cli.output import note
from tables.cells import bare, number, unguarded
from tables.columns import Wanted, ignored_sentence, parse_map, shown
from tables.faults import RowError, TableError
from tables.table import Row, Table

KINDS: Final = ("fixed", "mobile", "portable")
CAMERAS: Final = Wanted(
    required=("camera_id",),
    optional=("name", "kind", "lat", "lon"),
    also={"lat": ("latitude",), "lon": ("longitude", "lng")},
    likely={
        "camera_id": ("camera", "cam", "cam_id", "id", "device", "device_id", "site"),
        "name": ("description", "location", "title"),
        "kind": ("type", "mount"),
    },
)
_LONGEST_LINE: Final = 8 * 1024
_CHUNK_BYTES: Final = 64 * 1024


def cameras_in(path: Path, pairs: Sequence[str]) -> list[Camera]:
    """The cameras of a file. `pairs` name columns as OURS=THEIRS. CliError for a line that is none."""
    try:
        cameras = list(_cameras(path, parse_map(pairs, CAMERAS)))
    except TableError as fault:
        raise CliError(f"{path}: {fault.message}", Exit.USAGE) from None
    except OSError as error:
        raise CliError(f"cannot read {path}: {(error.strerror or 'it fails').lower()}", Exit.USAGE) from None
    if not cameras:
        raise CliError(f"{path} has no cameras below its header", Exit.USAGE)
    return cameras


def camera_of(camera_id: str, name: str, kind: str, lat: float | None, lon: float | None) -> Camera:
    """A camera to enrol. CliError for a kind that is none, or half a place."""
    camera = Camera(camera_id=camera_id, name=name)
    if kind:
        if kind.lower() not in KINDS:
            raise CliError(f"camera {camera_id}: {kind} is no kind; use {', '.join(KINDS)}", Exit.USAGE)
        camera.kind = CameraKind.Value(f"CAMERA_KIND_{kind.upper()}")
    if lat is not None and lon is not None:
        camera.position.CopyFrom(Position(latitude=lat, longitude=lon))
    elif lat is not None or lon is not None:
        raise CliError(f"camera {camera_id}: lat and lon are both needed, in degrees", Exit.USAGE)
    return camera


def _cameras(path: Path, chosen: Mapping[str, str]) -> Iterator[Camera]:
    lines: dict[str, int] = {}
    for line, text, values in _rows(path, chosen):
        camera = _camera(path, line, text, values)
        if (first := lines.setdefault(camera.camera_id, line)) != line:
            raise CliError(
                f"{path}, line {line}, camera_id: camera {shown(camera.camera_id)} is on line {first} too; "
                "leave one of them",
                Exit.USAGE,
            )
        yield camera


def _rows(path: Path, chosen: Mapping[str, str]) -> Iterator[Row]:
    table = Table(CAMERAS, chosen, longest=_LONGEST_LINE)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield from table.feed(chunk)
    yield from table.finish()
    for remark in table.remarks:
        note(f"{path}, line {remark.line}: {remark.message}")
    if table.found.ignored:
        note(f"{path}: {ignored_sentence(table.found.ignored, CAMERAS, table.found.places)}")


def _camera(path: Path, line: int, _: str, values: Sequence[str] | RowError) -> Camera:
    try:
        if isinstance(values, RowError):
            raise values
        camera_id, name, kind, lat, lon = values
        place = [
            None if not bare(cell) else number(cell, ours) for ours, cell in (("lat", lat), ("lon", lon))
        ]
        _check(bare(camera_id), *place)
        return camera_of(bare(camera_id), unguarded(name), bare(kind), *place)
    except RowError as fault:
        where = f", {fault.column}" if fault.column else ""
        raise CliError(f"{path}, line {line}{where}: {fault.message}", Exit.USAGE) from None
    except CliError as fault:
        raise CliError(f"{path}, line {line}: {fault.message}", fault.code) from None


def _check(camera_id: str, lat: float | None, lon: float | None) -> None:
    """RowError for no id, and for a place that is none in degrees, such as metres of the national grid."""
    if not camera_id:
        raise RowError("is empty", "camera_id")
    for column, value, most in (("lat", lat, 90), ("lon", lon, 180)):
        if value is not None and not -most <= value <= most:
            raise RowError(
                f"should be -{most} to {most} degrees; turn eastings and northings into degrees first", column
            )
