"""Imports of hotlists: parse and copy as the file arrives, build the index, activate, then answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import grpc
from gantry.match.v1.hotlist_pb2 import Hotlist, ImportHotlistResponse, LineError

from anpr.confusable import folded_keys
from chassis.errors import Fault, InvalidInput
from chassis.loops import repeat
from chassis.metrics import counter
from services.match.clock import Clock, utc_now
from services.match.hotlists.copy_format import copy_text
from services.match.hotlists.filling import fill
from services.match.hotlists.hotlist_file import Entries, HotlistFile
from services.match.hotlists.ports import (
    Activation,
    AlreadyImported,
    Announcer,
    Hotlists,
    Loading,
    Sealed,
)
from services.match.hotlists.tolerance import (
    OF_A_NEW_LIST,
    OF_A_REPLACEMENT,
    Tolerance,
    refuse_all_past,
    require_tolerable,
)
from services.match.hotlists.turns import Turns
from services.match.index.live_index import LiveIndex, Load
from services.match.names import MetricName
from tables.faults import Remark
from tables.table import MOST_REMARKS

CLEAR_SECONDS: Final = 20.0
# Small enough that parsing one does not delay the threads that raise alerts.
_SLICE_BYTES: Final = 64 * 1024

_log = logging.getLogger(__name__)
_rejected = counter(MetricName.MATCH_REJECTED_LINES)


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """An import: the hotlist that it replaces, and the person who asked for it."""

    force: str
    name: str
    near_matches: bool
    request_id: UUID
    person: str
    tolerance: Tolerance | None = None
    allow_empty: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False


class HotlistImports:
    """Imports hotlists."""

    def __init__(
        self,
        hotlists: Hotlists,
        index_of: Callable[[str], LiveIndex],
        announcer: Announcer,
        forces: Callable[[], Iterable[str]],
        *,
        at_once: int,
        most_entries: int,
        most_seconds: float,
        clock: Clock = utc_now,
    ) -> None:
        """`at_once` imports use the database, others wait. Limits of one: its entries, its time in all."""
        self._hotlists = hotlists
        self._index_of = index_of
        self._announcer = announcer
        self._forces = forces
        self._turns = Turns(at_once)
        self._most_seconds = most_seconds
        self._most_entries = most_entries
        self._clock = clock
        self._replaced = asyncio.Event()

    async def run(self, order: ImportOrder, chunks: AsyncIterator[bytes]) -> ImportHotlistResponse:
        """Import the file whose bytes are `chunks`; reads stored later are matched against it on return.

        Raises InvalidInput CSV_HEADER_INVALID, HOTLIST_BROKEN, HOTLIST_EMPTY or HOTLIST_INVALID; then nothing
        has changed.
        """
        answer = await self._answered(order)
        if answer is None:
            try:
                answer = await self._in_time(order, chunks)
            finally:
                self._replaced.set()
        return ImportHotlistResponse.FromString(answer)

    async def clear_replaced(self) -> None:
        """Drop loads that imports replaced or dead processes left, without end."""
        await repeat(self._clear, name="clearing of replaced loads", every=CLEAR_SECONDS, wake=self._replaced)

    async def _clear(self) -> None:
        # A load that is in use is dropped by a later run.
        for force in self._forces():
            await self._hotlists.drop_unused(force)

    async def _in_time(self, order: ImportOrder, chunks: AsyncIterator[bytes]) -> bytes:
        try:
            async with asyncio.timeout(self._most_seconds):
                return await self._import(order, chunks)
        except TimeoutError:
            raise Fault(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                "IMPORT_LATE",
                f"the import took longer than {self._most_seconds:g} s, and the list is as it was; "
                "send the file faster, or split it into several lists",
            ) from None

    async def _import(self, order: ImportOrder, chunks: AsyncIterator[bytes]) -> bytes:
        async with self._hotlists.begin(order.force) as load:
            file = HotlistFile(order.columns, self._clock())
            await fill(load, order.force, self._rows(load.load_no, file, chunks), self._turns)
            if file.rejected:
                _rejected.add(file.rejected, {"force": order.force})
            tolerance = order.tolerance or await self._usual_tolerance(order)
            require_tolerable(file, tolerance, allow_empty=order.allow_empty)
            async with self._turns.of(order.force):
                return await self._complete(order, load, file)

    async def _complete(self, order: ImportOrder, load: Loading, file: HotlistFile) -> bytes:
        sealed = await load.seal(self._clock())
        if sealed.expired == sealed.entries and not order.allow_empty and await self._has_active(order):
            refuse_all_past(file)
        if order.dry_run:
            return _answer((await self._replaced_list(order)).version, sealed, file)
        try:
            return await self._activate(order, load, sealed, file)
        except AlreadyImported:
            answer = await self._answered(order)
            assert answer is not None, "an import that was already made has its answer"
            return answer

    async def _usual_tolerance(self, order: ImportOrder) -> Tolerance:
        return OF_A_REPLACEMENT if (await self._replaced_list(order)).entries else OF_A_NEW_LIST

    async def _replaced_list(self, order: ImportOrder) -> Hotlist:
        """The list that the import replaces; an empty one of version 0 when there is none."""
        lists = await self._hotlists.list(order.force, self._clock())
        return next((hotlist for hotlist in lists if hotlist.name == order.name), Hotlist())

    async def _has_active(self, order: ImportOrder) -> bool:
        replaced = await self._replaced_list(order)
        return replaced.entries > replaced.expired_entries

    async def _activate(self, order: ImportOrder, load: Loading, sealed: Sealed, file: HotlistFile) -> bytes:
        activation = Activation(
            order.force, order.name, order.near_matches, order.request_id, order.person, self._clock()
        )
        async with self._index_of(order.force).prepared(Load(load.load_no, sealed.entries)):
            answer = await load.activate(
                activation, sealed.entries, lambda version: _answer(version, sealed, file)
            )
        self._announcer.tell_hotlists(order.force)
        _log.info("hotlist imported", extra={"force": order.force, "entries": sealed.entries})
        return answer

    async def _answered(self, order: ImportOrder) -> bytes | None:
        """The answer to an earlier request with the same id."""
        earlier = await self._hotlists.answered(order.force, order.request_id)
        if earlier is None:
            return None
        if earlier.name != order.name:
            raise InvalidInput(
                "HOTLIST_INVALID", "the request_id was used for another hotlist", field="header.request_id"
            )
        return earlier.answer

    async def _rows(
        self, load_no: int, file: HotlistFile, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            for start in range(0, len(chunk), _SLICE_BYTES):
                entries = file.feed(chunk[start : start + _SLICE_BYTES])
                while (rows := await asyncio.to_thread(_copied, load_no, entries)) is not None:
                    yield rows
                    self._check_size(file)
        entries = file.finish()
        while (rows := await asyncio.to_thread(_copied, load_no, entries)) is not None:
            yield rows
            self._check_size(file)

    def _check_size(self, file: HotlistFile) -> None:
        if file.accepted > self._most_entries:
            raise InvalidInput(
                "HOTLIST_INVALID",
                f"the file has more than {self._most_entries} entries; split it into several lists",
                field="chunk",
            )


def _copied(load_no: int, parts: Iterator[Entries]) -> bytes | None:
    """The next part of a file's entries as rows; None at the end."""
    entries = next(parts, None)
    if entries is None:
        return None
    return copy_text(load_no, entries, folded_keys(entries.vrms)) if entries.vrms else b""


def _answer(version: int, sealed: Sealed, file: HotlistFile) -> bytes:
    repeats = [
        Remark(line, "vrm", f"line {first} has this plate too: both are kept, and an alert merges them")
        for line, first in sealed.repeats
    ]
    remarks = sorted((*file.remarks, *repeats), key=lambda remark: remark.line)
    return ImportHotlistResponse(
        version=version,
        entries=sealed.entries - sealed.expired,
        expired_lines=sealed.expired,
        repeated_lines=sealed.repeated,
        rejected_lines=file.rejected,
        furniture_lines=file.furniture,
        errors=map(_on_line, file.problems),
        remarks=map(_on_line, remarks[:MOST_REMARKS]),
        ignored_columns=file.ignored_columns,
    ).SerializeToString()


def _on_line(remark: Remark) -> LineError:
    return LineError(line=remark.line, column=remark.column, message=remark.message)
