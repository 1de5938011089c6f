"""Finds our columns among those of the file: by name, or as `--map ours=theirs` says."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cli.exits import CliError, Exit

REQUIRED: Final = ("force", "camera_id", "captured_at", "vrm")
OPTIONAL: Final = ("read_id", "confidence", "lat", "lon", "heading")
OURS: Final = (*REQUIRED, *OPTIONAL)
_ALSO_CALLED: Final = {
    "force": ("organisation", "agency", "owner", "tenant", "bof"),
    "camera_id": ("camera", "cam", "cameraid", "cam_id", "device", "device_id", "site", "source", "feed_id"),
    "read_id": ("id", "uuid", "guid", "readid", "event_id", "reference"),
    "captured_at": (
        "time",
        "timestamp",
        "datetime",
        "date_time",
        "capture_time",
        "captured",
        "ts",
        "t",
        "t_ms",
        "date",
    ),
    "vrm": (
        "plate",
        "registration",
        "vrn",
        "reg",
        "licence_plate",
        "license_plate",
        "number_plate",
        "plate_number",
    ),
    "confidence": ("score", "conf", "certainty", "quality"),
    "lat": ("latitude", "y"),
    "lon": ("longitude", "lng", "long", "x"),
    "heading": ("bearing", "course", "direction_degrees"),
}


@dataclass(frozen=True)
class Columns:
    """The file's name for each of our columns. Columns that the file does not have are absent."""

    theirs: Mapping[str, str]
    ignored: tuple[str, ...]
    fixed_force: str | None

    def missing_optional(self) -> list[str]:
        """Our optional columns that the file does not have."""
        return [name for name in OPTIONAL if name not in self.theirs]


def parse_map(pairs: Sequence[str]) -> dict[str, str]:
    """`--map ours=theirs` as a mapping. CliError for a pair that names none of our columns."""
    chosen: dict[str, str] = {}
    for pair in pairs:
        ours, found, theirs = pair.partition("=")
        if not found or not theirs or ours.strip() not in OURS:
            raise CliError(
                f"--map {pair}: say OURS=THEIRS, where OURS is one of {', '.join(OURS)}", Exit.USAGE
            )
        if chosen.setdefault(ours.strip(), theirs.strip()) != theirs.strip():
            raise CliError(f"--map {pair}: {ours.strip()} is mapped twice; say one of them", Exit.USAGE)
    return chosen


def match_columns(found: Sequence[str], chosen: Mapping[str, str], fixed_force: str | None) -> Columns:
    """Find our columns among the file's. CliError names what was found, what is needed, and what to try."""
    by_name = {name.strip().casefold(): name for name in reversed(found)}
    theirs: dict[str, str] = {}
    for ours in OURS:
        wanted = chosen.get(ours, ours)
        if (name := by_name.get(wanted.casefold())) is not None:
            theirs[ours] = name
    if fixed_force is not None:
        theirs.pop("force", None)
    _refuse_twins(found, theirs.values())
    missing = [ours for ours in _needed(chosen, fixed_force) if ours not in theirs]
    if missing:
        raise CliError(_wrong_headers(found, missing, chosen, theirs), Exit.USAGE)
    used = set(theirs.values())
    return Columns(theirs, tuple(name for name in found if name not in used), fixed_force)


def suggestions(found: Iterable[str], missing: Iterable[str]) -> list[str]:
    """`--map` options that might supply the missing columns."""
    left = {name.strip().casefold().replace(" ", "_"): name for name in found}
    options = []
    for ours in missing:
        likely = [name for name in _ALSO_CALLED[ours] if name in left]
        likely += difflib.get_close_matches(ours, left, n=1, cutoff=0.7)
        if likely:
            options.append(f"--map {ours}={_quoted(left.pop(likely[0]))}")
    return options


def _refuse_twins(found: Sequence[str], used: Iterable[str]) -> None:
    """Refuse two columns of one name, because it is unknown which of them is meant."""
    folded = [name.strip().casefold() for name in found]
    twins = [name.strip() for name in used if folded.count(name.strip().casefold()) > 1]
    if twins:
        raise CliError(
            f"the file has several columns called {', '.join(twins)}; rename those that are not meant",
            Exit.USAGE,
        )


def _needed(chosen: Mapping[str, str], fixed_force: str | None) -> list[str]:
    required = [name for name in REQUIRED if name != "force" or fixed_force is None]
    return required + [name for name in chosen if name not in required and name != "force"]


def _wrong_headers(
    found: Sequence[str], missing: Sequence[str], chosen: Mapping[str, str], theirs: Mapping[str, str]
) -> str:
    names = ", ".join(name.strip() or "(no name)" for name in found[:30]) or "none"
    wanted = ", ".join(f"{one} (as {chosen[one]})" if one in chosen else one for one in missing)
    free = [name for name in found if name not in theirs.values()]
    options = suggestions(free, [one for one in missing if one not in chosen])
    if "force" in missing and not any(option.startswith("--map force=") for option in options):
        options.append("--force CODE")
    advice = f"; try {' '.join(options)}" if options else "; name them with --map OURS=THEIRS"
    return f"columns found: {names}; needed and missing: {wanted}{advice}"


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
