"""A column of keys from PostgreSQL's COPY, in bulk."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from anpr.confusable import Keys

_HEADER_BYTES: Final = 19
_TRAILER_BYTES: Final = 2
# One row of a single column in COPY's binary format.
_ROW: Final = np.dtype([("fields", ">i2"), ("length", ">i4"), ("key", ">u8")])


class KeyColumn:
    """Collects one column of unsigned 64-bit keys from COPY's binary format, in memory of its final size."""

    def __init__(self, rows: int) -> None:
        self._keys: Keys = np.empty(rows, dtype=np.uint64)
        self._taken = 0
        self._rest = b""
        self._begun = False

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises ValueError when there are more rows than expected."""
        data = self._rest + data
        if not self._begun:
            if len(data) < _HEADER_BYTES:
                self._rest = data
                return
            self._begun = True
            data = data[_HEADER_BYTES:]
        rows = len(data) // _ROW.itemsize
        self._rest = data[rows * _ROW.itemsize :]
        self._take(np.frombuffer(data, dtype=_ROW, count=rows)["key"])

    def finish(self) -> Keys:
        """All keys. Raises ValueError when there were fewer rows than expected."""
        if self._taken != len(self._keys) or len(self._rest) != _TRAILER_BYTES:
            raise ValueError(f"expected {len(self._keys)} rows, got {self._taken}")
        return self._keys

    def _take(self, keys: NDArray[np.void]) -> None:
        end = self._taken + len(keys)
        if end > len(self._keys):
            raise ValueError(f"expected {len(self._keys)} rows, got more")
        self._keys[self._taken : end] = keys
        self._taken = end
