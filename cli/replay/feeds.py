"""Finds the feed, and so the token, of each camera in the file. `--enrol` enrols missing cameras."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Protocol

from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_MOBILE, Camera

from anpr.identifiers import is_camera_id, oddity_of_id, signs_in_id
from cli.exits import CliError, Exit
from cli.output import counted
from cli.replay.scan import Scan, Sighting
from cli.tokens import TokenFile
from tables.columns import shown

DEFAULT_FEED = "replay"
_NAMED = 5
# Further apart than any two cameras of one force.
_FAR_DEGREES = 8.0
_RULE: Final = "an id has 1 to 64 letters A-Z, digits, dots, dashes or underscores"
_ZEROS: Final = re.compile(r"(?<!\d)0+(?=\d)")


class Registry(Protocol):
    """The port of replay to ingest's camera registry."""

    async def cameras(self, force: str) -> Sequence[Camera]:
        """Every camera of a force."""

    async def enrol(self, force: str, feed: str, cameras: Sequence[Camera], *, new_token: bool) -> str:
        """Enrol cameras on a feed; the feed's token when it is new, else empty."""


@dataclass
class Feeds:
    """Token of each (force, camera), the enrolled cameras, and remarks for the person."""

    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    enrolled: int = 0
    remarks: list[str] = field(default_factory=list)


class Arranger:
    """Finds a token for each camera of a file, and enrols cameras on `feed` as `--enrol` and `--move` say."""

    def __init__(
        self, registry: Registry, store: TokenFile, found: Scan, *, feed: str, enrol: bool, move: bool
    ) -> None:
        self._registry = registry
        self._store = store
        self._found = found
        self._feed = feed
        self._enrol = enrol
        self._move = move
        self._feeds = Feeds()
        self._others: Sequence[Position] = ()

    async def arrange(self, forces: Iterable[str]) -> Feeds:
        """Arrange the cameras of these forces. CliError when a force's reads cannot be sent at all."""
        for force in forces:
            await self._arrange_force(force)
        return self._feeds

    async def _arrange_force(self, force: str) -> None:
        known = await self._registry.cameras(force)
        carried = {camera.camera_id: camera.feed for camera in known}
        self._others = [camera.position for camera in known if camera.HasField("position")]
        wanted = self._found.cameras(force)
        unknown = [camera for camera in wanted if camera not in carried and not why_no_id(camera)]
        locked = [camera for camera in wanted if camera in carried and self._locked(force, carried[camera])]
        odd = [camera for camera in wanted if camera not in carried and why_no_id(camera)]
        if odd:
            self._feeds.remarks.append(_odd_sentence(force, odd))
        if self._enrol:
            await self._enrol_force(force, wanted, carried, unknown, locked)
        elif unknown or locked:
            self._feeds.remarks.append(_left_out_sentence(force, len(unknown), len(locked)))
        self._assign(force, wanted, carried)

    def _locked(self, force: str, feed: str) -> bool:
        return feed != self._feed and self._store.get(force, feed) is None

    async def _enrol_force(
        self,
        force: str,
        wanted: Sequence[str],
        carried: dict[str, str],
        unknown: list[str],
        locked: list[str],
    ) -> None:
        if locked and not self._move:
            raise CliError(_locked_sentence(force, locked, carried), Exit.REFUSED)
        token = self._store.get(force, self._feed)
        # Without the feed's token, enrolling a camera that it has already is the way to a new one.
        ours = [camera for camera in wanted if carried.get(camera) == self._feed] if token is None else []
        new = [_camera(one, self._found.reads[force, one]) for one in unknown]
        self._feeds.remarks += odd_places(new, self._others)
        self._feeds.remarks += _alike_sentences(unknown, carried)[:_NAMED]
        # The registry has more data of a known camera than the file.
        known = [Camera(camera_id=one) for one in locked or (() if unknown else ours)]
        if cameras := new + known:
            # If this machine had used the old token, it would be here.
            made = await self._registry.enrol(force, self._feed, cameras, new_token=token is None)
            if made:
                self._store.keep(force, self._feed, made)
        carried |= dict.fromkeys(unknown + locked, self._feed)
        self._feeds.enrolled += len(unknown) + len(locked)

    def _assign(self, force: str, wanted: Sequence[str], carried: Mapping[str, str]) -> None:
        own = {camera: self._store.get(force, carried[camera]) for camera in wanted if camera in carried}
        # Reads of a camera without a feed here go over another feed, so that ingest counts and answers them.
        fallback = next((token for token in own.values() if token), None)
        if fallback is None:
            advice = "repair their ids in the file" if self._enrol else "--enrol enrols them"
            raise CliError(
                f"no camera of {force} in the file can be sent for: {advice}",
                Exit.REFUSED,
                more=[f"  {remark}" for remark in self._feeds.remarks],
            )
        self._feeds.tokens |= {(force, camera): own.get(camera) or fallback for camera in wanted}


@lru_cache(maxsize=4096)
def why_no_id(camera_id: str) -> str:
    """Why an id of the file is none that a camera can be enrolled with; empty when it can."""
    if is_camera_id(camera_id):
        return oddity_of_id(camera_id) or ""
    return _rule_and([signs_in_id(camera_id)])


def _rule_and(signs: Iterable[str]) -> str:
    found = ", ".join(dict.fromkeys(filter(None, signs)))
    return f"{_RULE}; not allowed here: {found}" if found else _RULE


def _alike_sentences(new: Sequence[str], known: Iterable[str]) -> list[str]:
    """Remarks on new cameras whose ids differ from another's only in zeros or capitals."""
    seen = {_without_zeros(one): one for one in known}
    told = []
    for one in new:
        other = seen.setdefault(_without_zeros(one), one)
        if other != one:
            told.append(
                f"camera {one} is new, and there is a camera {other}: if they are one camera (a spreadsheet "
                "drops zeros), repair the id in the file"
            )
    return told


def _without_zeros(camera_id: str) -> str:
    return _ZEROS.sub("", camera_id).casefold()


def _odd_sentence(force: str, odd: Sequence[str]) -> str:
    causes = dict.fromkeys(why_no_id(each) for each in odd if is_camera_id(each))
    if misnamed := [signs_in_id(each) for each in odd if not is_camera_id(each)]:
        causes = {_rule_and(misnamed): None} | causes
    return (
        f"{counted(len(odd), 'camera id')} of {force} that cannot be enrolled "
        f"({_some([shown(each) for each in odd])}), whose reads will be rejected: {'; '.join(causes)}"
    )


def _camera(camera_id: str, seen: Sighting) -> Camera:
    if seen.latitude is None or seen.longitude is None:
        return Camera(camera_id=camera_id, name=camera_id, kind=CAMERA_KIND_FIXED)
    if seen.moves:
        return Camera(camera_id=camera_id, name=camera_id, kind=CAMERA_KIND_MOBILE)
    place = Position(latitude=seen.latitude, longitude=seen.longitude)
    return Camera(camera_id=camera_id, name=camera_id, kind=CAMERA_KIND_FIXED, position=place)


def odd_places(new: Sequence[Camera], known: Sequence[Position]) -> list[str]:
    """Remarks on new fixed cameras that are far from most of their force's."""
    placed = [camera for camera in new if camera.HasField("position")]
    all_places = [*known, *(camera.position for camera in placed)]
    told = []
    for camera in placed:
        north, east = camera.position.latitude, camera.position.longitude
        if 2 * _near(north, east, all_places) > len(all_places):
            continue
        what = "far from the force's other cameras"
        if 2 * (1 + _near(east, north, all_places)) > len(all_places):
            what += "; with latitude and longitude swapped it would be near them"
        told.append(f"camera {camera.camera_id} is enrolled at {north:.4f} {east:.4f}, {what}")
    return told


def _near(north: float, east: float, places: Sequence[Position]) -> int:
    """How many of the places are near this one."""
    return sum(abs(place.latitude - north) + abs(place.longitude - east) < _FAR_DEGREES for place in places)


def _locked_sentence(force: str, locked: Sequence[str], carried: Mapping[str, str]) -> str:
    feeds = sorted({carried[camera] for camera in locked})
    return (
        f"{counted(len(locked), 'camera')} of {force} ({_some(locked)}) on feeds whose token is not here "
        f"({_some(feeds)}): --move takes them over, which ends what those feeds send for them"
    )


def _left_out_sentence(force: str, unknown: int, locked: int) -> str:
    parts = [f"{counted(unknown, 'camera')} of {force} not enrolled"] if unknown else []
    parts += [f"{counted(locked, 'camera')} of {force} on feeds whose token is not here"] if locked else []
    whose = "its" if unknown + locked == 1 else "their"
    return f"{' and '.join(parts)}: {whose} reads will be rejected; --enrol enrols cameras"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" .." if len(names) > _NAMED else "")
