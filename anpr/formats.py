"""Forms of plates by country. They tell a country beside a plate from letters of the plate.

The table is not complete and refuses nothing. It holds the forms of normalised plates in Europe.
"""

from __future__ import annotations

import re
from typing import Final

FORMS: Final = {
    "GB": (
        r"[A-Z]{2}\d\d[A-Z]{3}|[A-Z]\d{1,3}[A-Z]{3}|[A-Z]{3}\d{1,3}[A-Z]|\d{1,4}[A-Z]{1,3}|[A-Z]{1,3}\d{1,4}"
        r"|\d{3}[DX]\d{3}"
    ),
    "GG": r"\d{1,5}",
    "JE": r"J\d{1,6}",
    "IM": r"[A-Z]{0,2}MN\d{1,4}[A-Z]?|\d{1,4}[A-Z]{0,2}MN|M?MAN\d{1,4}[A-Z]?",
    "GI": r"G\d{4}[A-Z]",
    "IE": r"\d{2,3}[A-Z]{1,2}\d{1,6}|[A-Z]{2,3}\d{1,5}|ZZ\d{5}",
    "FR": r"[A-Z]{2}\d{3}[A-Z]{2}|\d{1,4}[A-Z]{2,3}(?:\d\d|2[AB]|97\d)|W[A-Z]?\d{3}[A-Z]{2}",
    "DE": r"(?=.{3,9}$)[A-Z]{2,5}\d{1,4}[EH]?|[A-Z]{1,3}\d{1,6}|0\d{2,5}",
    "NL": (
        r"[A-Z]{2}\d{4}|\d{4}[A-Z]{2}|\d\d[A-Z]{2}\d\d|[A-Z]{2}\d\d[A-Z]{2}|[A-Z]{4}\d\d|\d\d[A-Z]{4}"
        r"|\d\d[A-Z]{3}\d|\d[A-Z]{3}\d\d|[A-Z]{2}\d{3}[A-Z]|[A-Z]\d{3}[A-Z]{2}|[A-Z]{3}\d\d[A-Z]"
        r"|[A-Z]\d\d[A-Z]{3}|\d[A-Z]{2}\d{3}|\d{3}[A-Z]{2}\d"
    ),
    "BE": r"[1-9][A-Z]{3}\d{3}|[A-Z]{3}\d{3}|\d{3}[A-Z]{3}|[A-Z]\d{3}[A-Z]{2}",
    "LU": r"[A-Z]{2}\d{4}|\d{4,6}",
    "ES": r"\d{4}[A-Z]{3}|[A-Z]{1,2}\d{4}[A-Z]{1,2}|[A-Z]{1,2}\d{5,6}",
    "PT": r"[A-Z]{2}\d{4}|\d{4}[A-Z]{2}|\d\d[A-Z]{2}\d\d|[A-Z]{2}\d\d[A-Z]{2}",
    "IT": r"[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]{2}\d{6}|[A-Z]{2}\d{5}",
    "CH": r"[A-Z]{2}\d{1,6}",
    "LI": r"FL\d{1,5}",
    "AT": r"[A-Z]{1,2}\d{1,3}[A-Z]{2,3}|[A-Z]{1,2}\d{3,5}[A-Z]",
    "PL": (
        r"[A-Z]{2}\d{5}|[A-Z]{2}\d{4}[A-Z]|[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]{2}\d[A-Z]\d{3}|[A-Z]{2}\d[A-Z]{2}\d\d"
        r"|[A-Z]{4}\d{3}|[A-Z]{3}\d\d[A-Z]{2}|[A-Z]{3}\d[A-Z]\d\d|[A-Z]{3}\d\d[A-Z]\d|[A-Z]{3}\d[A-Z]{2}\d"
        r"|[A-Z]{5}\d\d|[A-Z]{3}\d{5}|[A-Z]{3}\d{4}[A-Z]|[A-Z]{3}\d{3}[A-Z]{2}|[A-Z]\d[A-Z]{3,5}"
    ),
    "CZ": r"\d[A-Z]\d{5}|\d[A-Z]{2}\d{4}|[A-Z]{2,3}\d{4}",
    "SK": r"[A-Z]{2}\d{3}[A-Z]{2}",
    "HU": r"[A-Z]{3}\d{3}|[A-Z]{4}\d{3}",
    "RO": r"[A-Z]{1,2}\d{2,3}[A-Z]{3}|[A-Z]{1,2}\d{6}",
    "BG": r"[A-Z]{1,2}\d{4}[A-Z]{1,2}",
    "HR": r"[A-Z]{2}\d{3,4}[A-Z]{1,2}",
    "SI": r"[A-Z]{2}\d\d[A-Z]{3}|[A-Z]{4}\d{3}|[A-Z]{2}\d{3}[A-Z]{2}|[A-Z]{3}\d{3}",
    "RS": r"[A-Z]{2}\d{3,4}[A-Z]{2}",
    "UA": r"[A-Z]{2}\d{4}[A-Z]{2}",
    "DK": r"[A-Z]{2}\d{5}",
    "NO": r"[A-Z]{2}\d{4,5}",
    "SE": r"[A-Z]{3}\d\d[A-Z0-9]",
    "FI": r"[A-Z]{2,3}\d{1,3}",
    "EE": r"\d{3}[A-Z]{3}",
    "LV": r"[A-Z]{2}\d{1,4}",
    "LT": r"[A-Z]{3}\d{3}",
    "GR": r"[A-Z]{3}\d{4}",
    "CY": r"[A-Z]{3}\d{3}",
    "MT": r"[A-Z]{3}\d{3}",
    "TR": r"\d\d[A-Z]{1,3}\d{2,5}",
}
"""Regular expressions of normalised plates, by ISO 3166-1 alpha-2."""

_OF: Final = {country: re.compile(forms) for country, forms in FORMS.items()}
_ANY: Final = re.compile("|".join(f"(?:{forms})" for forms in FORMS.values()))


def is_plate_of(country: str, vrm: str) -> bool:
    """Whether a normalised VRM has a form of the country's plates. False for countries without forms here."""
    forms = _OF.get(country)
    return forms is not None and forms.fullmatch(vrm) is not None


def is_plate_of_any(vrm: str) -> bool:
    """Whether a normalised VRM has a form of any country's plates."""
    return _ANY.fullmatch(vrm) is not None
