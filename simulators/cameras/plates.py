"""Number plates in the mix seen on the roads of Essex and Kent, and how cameras misread them."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

Style = Literal[
    "uk", "france", "germany", "netherlands", "poland", "romania", "ireland", "lithuania", "belgium"
]

# Memory tags by the DVLA office that issued them: E is Essex, G is Kent and Sussex, L is London.
_REGIONS = {
    "E": ("ABCEFGJKLMNOPRSTUVWXY", 26),
    "G": ("ABCDEFGHJKLMNOPRSTUVWXY", 24),
    "L": ("ABCDEFGHJKLMNOPRSTUVWXY", 16),
    "K": ("ABCDEFGHJKLMNOPRSTUVWXY", 7),
    "A": ("ABCDEFGHJKLMNOPRSTUVWXY", 6),
    "B": ("ABCDEFGHJKLMNOPRSTUVWXY", 4),
    "H": ("ABCDEFGHJKLMNOPRSTUVWXY", 4),
    "R": ("ABCDEFGHJKLMNOPRSTUVWXY", 3),
    "S": ("ABCDEFGHJKLMNOPRSTVWXY", 2),
    "Y": ("ABCDEFGHJKLMNOPRSTUVWXY", 2),
    "M": ("ABCDEFGHJKLMPTUVWXY", 2),
    "W": ("ABDEFGHJKLMNOPRSTUVWXY", 2),
    "D": ("ABCDEFGHJKLMNOPSTUVWXY", 1),
    "F": ("ABCDEFGHJKLMNPRSTVWXY", 1),
    "N": ("ABCDEGHJKLMNOPRSTUVWXY", 1),
    "V": ("ABCEFGHJKLMNOPRSTUVXY", 1),
}
# The half-years: 02 to 26 are issued from March, 51 to 75 from September. Newer cars are more common.
_AGES = [*range(2, 27), *range(51, 76)]
_AGE_WEIGHTS = [2.0 + (age % 50) for age in _AGES]
_SERIAL = "ABCDEFGHJKLMNOPRSTUVWXYZ"
_PREFIX_YEARS = "ABCDEFGHJKLMNPRSTVWXY"
_SUFFIX_YEARS = "ABCDEFGHJKLMNPRSTVWXY"
_OLD_OFFICES = (
    "AR",
    "NO",
    "EV",
    "HK",
    "JN",
    "VW",
    "VX",
    "KE",
    "KL",
    "KM",
    "KN",
    "KO",
    "KP",
    "KR",
    "KT",
    "FN",
    "JG",
    "LM",
    "YR",
)
_NAMES = (
    "BOB",
    "DAV",
    "SAM",
    "JON",
    "LEE",
    "TOM",
    "KAT",
    "SUE",
    "RAY",
    "DAN",
    "RON",
    "MAX",
    "AMY",
    "JAY",
    "PHL",
    "NEL",
    "GAZ",
    "TAZ",
)
_FRENCH = "ABCDEFGHJKLMNPQRSTVWXYZ"
_GERMAN_TOWNS = ("B", "HH", "M", "K", "F", "S", "D", "DU", "DO", "HB", "BO", "WES", "KLE", "OS", "AC", "LG")
_DUTCH = "BDFGHJKLNPRSTVXZ"
_POLISH_TOWNS = ("WA", "WX", "KR", "PO", "GD", "LU", "RZ", "KN", "DW", "SK", "EL", "BI", "ZS", "NO")
_ROMANIAN_COUNTIES = ("CJ", "TM", "IS", "BV", "CT", "AR", "SB", "BH", "MM", "SV", "GL", "PH")
_IRISH_COUNTIES = ("D", "C", "G", "L", "W", "WX", "MH", "LH", "KE", "T", "KK", "DL")


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate as it hangs on the vehicle."""

    vrm: str
    """The mark: A-Z and 0-9 only, 4 to 9 characters."""
    text: str
    """As it is written on the plate, with its gap or dashes."""
    country: str
    """ISO 3166-1 alpha-2."""
    style: Style
    """Which national design the plate has."""


def draw_plate(rng: Random) -> Plate:
    """A plate in the mix of a British road: 96 % United Kingdom (85 % of the current format), 4 % foreign."""
    make = rng.choices(_FORMATS, _FORMAT_WEIGHTS)[0]
    return make(rng)


def misread(vrm: str, rng: Random) -> str:
    """A misread of the mark, never the mark itself: mostly a look-alike character."""
    kind = rng.random()
    similar = [place for place, char in enumerate(vrm) if char in _LOOKALIKES]
    if similar and kind < 0.75:
        place = rng.choice(similar)
        return vrm[:place] + rng.choice(_LOOKALIKES[vrm[place]]) + vrm[place + 1 :]
    if kind < 0.9:
        return vrm[:-1] if rng.random() < 0.5 else vrm[1:]
    return f"1{vrm}" if rng.random() < 0.5 else f"{vrm}1"


def _lookalikes() -> dict[str, str]:
    groups = ("0OQD", "1IL", "2Z", "5S", "6G", "8B")
    return {char: group.replace(char, "") for group in groups for char in group}


_LOOKALIKES = _lookalikes()


def _letters(rng: Random, count: int, alphabet: str = _SERIAL) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _uk(text: str) -> Plate:
    return Plate(text.replace(" ", ""), text, "GB", "uk")


def _foreign(text: str, country: str, style: Style) -> Plate:
    return Plate(text.replace(" ", "").replace("-", ""), text, country, style)


def _current(rng: Random) -> Plate:
    region = rng.choices(list(_REGIONS), [weight for _, weight in _REGIONS.values()])[0]
    tag = region + rng.choice(_REGIONS[region][0])
    age = rng.choices(_AGES, _AGE_WEIGHTS)[0]
    return _uk(f"{tag}{age:02d} {_letters(rng, 3)}")


def _prefix(rng: Random) -> Plate:
    letters = _letters(rng, 1) + rng.choice(_OLD_OFFICES)
    return _uk(f"{rng.choice(_PREFIX_YEARS)}{rng.randint(21, 999)} {letters}")


def _suffix(rng: Random) -> Plate:
    letters = _letters(rng, 1) + rng.choice(_OLD_OFFICES)
    return _uk(f"{letters} {rng.randint(10, 999)}{rng.choice(_SUFFIX_YEARS)}")


def _dateless(rng: Random) -> Plate:
    letters = rng.choice(_OLD_OFFICES)
    if rng.random() < 0.5:
        return _uk(f"{_letters(rng, 1)}{letters} {rng.randint(10, 999)}")
    return _uk(f"{rng.randint(100, 9999)} {letters}")


def _northern_irish(rng: Random) -> Plate:
    letters = rng.choice(
        ("AZ", "BZ", "CZ", "DZ", "EZ", "FZ", "GZ", "IG", "IL", "JZ", "KZ", "LZ", "NZ", "UI", "XI")
    )
    first = rng.choice("ABCDEFGHJKLMNOPRSTUVWXY")
    return _uk(f"{first}{letters} {rng.randint(1000, 9999)}")


def _personalised(rng: Random) -> Plate:
    name = rng.choice(_NAMES)
    if rng.random() < 0.5:
        return _uk(f"{rng.choice(_PREFIX_YEARS)}{rng.randint(1, 20)} {name}")
    return _uk(f"{name[:2]}{rng.choice(_AGES):02d} {rng.choice(_NAMES)}")


def _french(rng: Random) -> Plate:
    return _foreign(
        f"{_letters(rng, 2, _FRENCH)}-{rng.randint(1, 999):03d}-{_letters(rng, 2, _FRENCH)}", "FR", "france"
    )


def _german(rng: Random) -> Plate:
    letters = _letters(rng, rng.randint(1, 2))
    return _foreign(f"{rng.choice(_GERMAN_TOWNS)}-{letters} {rng.randint(100, 9999)}", "DE", "germany")


def _dutch(rng: Random) -> Plate:
    if rng.random() < 0.5:
        return _foreign(
            f"{_letters(rng, 2, _DUTCH)}-{rng.randint(1, 999):03d}-{_letters(rng, 1, _DUTCH)}",
            "NL",
            "netherlands",
        )
    return _foreign(
        f"{rng.randint(10, 99)}-{_letters(rng, 3, _DUTCH)}-{rng.randint(1, 9)}", "NL", "netherlands"
    )


def _polish(rng: Random) -> Plate:
    return _foreign(f"{rng.choice(_POLISH_TOWNS)} {rng.randint(1, 99999):05d}", "PL", "poland")


def _romanian(rng: Random) -> Plate:
    if rng.random() < 0.3:
        return _foreign(f"B {rng.randint(10, 999)} {_letters(rng, 3)}", "RO", "romania")
    return _foreign(
        f"{rng.choice(_ROMANIAN_COUNTIES)} {rng.randint(1, 99):02d} {_letters(rng, 3)}", "RO", "romania"
    )


def _irish(rng: Random) -> Plate:
    year = rng.randint(13, 25) * 10 + rng.randint(1, 2)
    return _foreign(f"{year}-{rng.choice(_IRISH_COUNTIES)}-{rng.randint(100, 9999)}", "IE", "ireland")


def _lithuanian(rng: Random) -> Plate:
    return _foreign(f"{_letters(rng, 3)} {rng.randint(1, 999):03d}", "LT", "lithuania")


def _belgian(rng: Random) -> Plate:
    return _foreign(f"{rng.randint(1, 2)}-{_letters(rng, 3)}-{rng.randint(1, 999):03d}", "BE", "belgium")


def _from_abroad(rng: Random) -> Plate:
    return rng.choices(_FOREIGN, _FOREIGN_WEIGHTS)[0](rng)


_FOREIGN: tuple[Callable[[Random], Plate], ...] = (
    _french,
    _german,
    _dutch,
    _polish,
    _romanian,
    _irish,
    _lithuanian,
    _belgian,
)
_FOREIGN_WEIGHTS = (18, 12, 13, 20, 16, 8, 7, 6)
_FORMATS: tuple[Callable[[Random], Plate], ...] = (
    _current,
    _prefix,
    _suffix,
    _dateless,
    _northern_irish,
    _personalised,
    _from_abroad,
)
_FORMAT_WEIGHTS = (85.0, 4.8, 0.7, 1.0, 1.5, 3.0, 4.0)
