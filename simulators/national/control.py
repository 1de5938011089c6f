"""The control port: shows accepted reads, and orders faults. Plain HTTP, for loopback only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from simulators.national.behaviour import Behaviour, OrderError
from simulators.national.ledger import Ledger

LEDGER: Final = web.AppKey("ledger", Ledger)
BEHAVIOUR: Final = web.AppKey("behaviour", Behaviour)


class Counts:
    """Submissions since the start, and the pictures in them by force."""

    def __init__(self) -> None:
        self.submissions = 0
        self.plate_patches: Counter[str] = Counter()
        self.overviews: Counter[str] = Counter()


COUNTS: Final = web.AppKey("counts", Counts)


def control_app(ledger: Ledger, behaviour: Behaviour, counts: Counts) -> web.Application:
    """GET /state, GET /accepted and POST /behave."""
    app = web.Application()
    app[LEDGER], app[BEHAVIOUR], app[COUNTS] = ledger, behaviour, counts
    app.add_routes([web.get("/state", _state), web.get("/accepted", _accepted), web.post("/behave", _behave)])
    return app


async def _state(request: web.Request) -> web.Response:
    ledger, counts = request.app[LEDGER], request.app[COUNTS]
    columns: Mapping[str, Counter[str]] = {
        "accepted": ledger.accepted,
        "duplicate": ledger.duplicate,
        "refused": ledger.refused,
        "plate_patches": counts.plate_patches,
        "overviews": counts.overviews,
    }
    forces = sorted(set().union(*columns.values()))
    return web.json_response(
        {
            "submissions": counts.submissions,
            "forces": {force: {name: column[force] for name, column in columns.items()} for force in forces},
            "behaviour": request.app[BEHAVIOUR].shown(),
        }
    )


async def _accepted(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/tab-separated-values; charset=utf-8"})
    await response.prepare(request)
    async for piece in request.app[LEDGER].contents():
        await response.write(piece)
    await response.write_eof()
    return response


async def _behave(request: web.Request) -> web.Response:
    try:
        request.app[BEHAVIOUR].change(_wish(await request.text()))
    except (OrderError, json.JSONDecodeError, UnicodeDecodeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({"behaviour": request.app[BEHAVIOUR].shown()})


def _wish(body: str) -> dict[str, object]:
    wish = json.loads(body or "{}")
    if not isinstance(wish, dict):
        raise OrderError("the body should be a JSON object")
    return wish
