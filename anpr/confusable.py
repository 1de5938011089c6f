"""Characters that cameras take for one another, and plates as 64-bit numbers for fast comparison.

A key is the plate in base 37 (0 ends it, then the digits, then A to Z), aligned left: different plates
have different keys, and keys sort as the plates do. A folded key is the key of the plate with every
confusable character replaced by the first of its class, so plates that may be misreads of each other
have the same folded key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from anpr.vrm import LONGEST, all_normal

CLASSES: Final = ("0OQD", "1IL", "2Z", "5S", "6G", "8B")
"""Each string is one class. Its first character represents the class."""

Keys = NDArray[np.uint64]

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BASE: Final = len(_ALPHABET) + 1
_PAIRS: Final = LONGEST // 2
_FOLDING: Final = str.maketrans({mistaken: group[0] for group in CLASSES for mistaken in group[1:]})


def fold(vrm: str) -> str:
    """The normalised VRM with each confusable character replaced by the first of its class."""
    return vrm.translate(_FOLDING)


def plate_keys(vrms: Sequence[str]) -> Keys:
    """One key for each plate.

    Keys are unique and sort as the plates do. Raises ValueError unless every plate is normalised.
    """
    return _keys(vrms, _PLAIN)


def folded_keys(vrms: Sequence[str]) -> Keys:
    """The keys of the folded plates: equal for plates that may be misreads of one another.

    Raises ValueError unless every plate is normalised.
    """
    return _keys(vrms, _FOLDED)


def _keys(vrms: Sequence[str], values: Keys) -> Keys:
    if not all_normal(vrms):
        raise ValueError("a plate is not normalised")
    # Each look-up takes two characters, which halves numpy's arithmetic.
    pairs = np.array(vrms, dtype=f"S{LONGEST}").view(np.uint16).reshape(-1, _PAIRS)
    return values[pairs] @ _WEIGHTS


def _pair_values(translated: str) -> Keys:
    single = np.zeros(256, dtype=np.uint64)
    for written, meant in zip(_ALPHABET, translated, strict=True):
        single[ord(written)] = 1 + _ALPHABET.index(meant)
    first_bytes, second_bytes = np.arange(1 << 16, dtype=np.uint16).view(np.uint8).reshape(-1, 2).T
    return single[first_bytes] * np.uint64(_BASE) + single[second_bytes]


_PLAIN: Final = _pair_values(_ALPHABET)
_FOLDED: Final = _pair_values(fold(_ALPHABET))
_WEIGHTS: Final = np.array([(_BASE**2) ** place for place in reversed(range(_PAIRS))], dtype=np.uint64)
