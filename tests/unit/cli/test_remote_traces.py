"""The spans of a trace from query APIs: Jaeger's form, OTLP as Tempo sends it, and other answers."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from cli.exits import CliError, Exit
from cli.trace.remote import TOKEN, fetch_spans
from cli.trace.spans import Span

TRACE, BATCH, ALERT = "0a" + "b" * 30, "1" * 16, "2" * 16
TOLD = {"positions": [41, 42], "force": "essex", "late": True}
WANTED = {
    BATCH: Span(TRACE, BATCH, "", "ingest", "ingest.batch", 5_000, 9_000),
    ALERT: Span(TRACE, ALERT, BATCH, "match", "match.alert", 6_000, 8_000, "ERROR", TOLD),
}


@asynccontextmanager
async def answering(answer: Any, status: int = 200) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server with one answer; its URL, and the requests that it got."""
    requests: list[Any] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append((request.path, request.headers.get("Authorization")))
        if isinstance(answer, str):
            return web.Response(text=answer, status=status)
        return web.json_response(answer, status=status)

    app = web.Application()
    app.add_routes([web.get("/{rest:.*}", handle)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", requests
    finally:
        await runner.cleanup()


def of_jaeger() -> dict[str, Any]:
    # Jaeger leaves out zeros at the begin of a trace id, and keeps a list as text.
    common = {"traceID": TRACE.lstrip("0"), "logs": [], "flags": 1}
    tags = {"positions": "[41,42]", "force": "essex", "late": True, "otel.status_code": "ERROR"}
    batch = {
        "spanID": BATCH,
        "operationName": "ingest.batch",
        "references": [{"refType": "FOLLOWS_FROM", "traceID": "c" * 32, "spanID": "d" * 16}],
        "startTime": 5,
        "duration": 4,
        "tags": [],
        "processID": "p1",
    }
    alert = {
        "spanID": ALERT,
        "operationName": "match.alert",
        "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": BATCH}],
        "startTime": 6,
        "duration": 2,
        "tags": [{"key": key, "type": "string", "value": value} for key, value in tags.items()],
        "processID": "p2",
    }
    processes = {"p1": {"serviceName": "ingest", "tags": []}, "p2": {"serviceName": "match", "tags": []}}
    return {"data": [{"traceID": TRACE, "spans": [batch | common, alert | common], "processes": processes}]}


def of_tempo(*, encoded: bool) -> list[dict[str, Any]]:
    def named(number: str) -> str:
        return base64.b64encode(bytes.fromhex(number)).decode() if encoded else number

    def of_service(service: str, span: dict[str, Any]) -> dict[str, Any]:
        resource = {"attributes": [{"key": "service.name", "value": {"stringValue": service}}]}
        return {"resource": resource, "scopeSpans": [{"scope": {"name": "gantry"}, "spans": [span]}]}

    batch = {
        "traceId": named(TRACE),
        "spanId": named(BATCH),
        "name": "ingest.batch",
        "startTimeUnixNano": "5000",
        "endTimeUnixNano": "9000",
        "status": {},
    }
    several = {"arrayValue": {"values": [{"intValue": "41"}, {"intValue": "42"}]}}
    alert = {
        "traceId": named(TRACE),
        "spanId": named(ALERT),
        "parentSpanId": named(BATCH),
        "name": "match.alert",
        "startTimeUnixNano": "6000",
        "endTimeUnixNano": "8000",
        "status": {"code": "STATUS_CODE_ERROR" if encoded else 2},
        "attributes": [
            {"key": "positions", "value": several},
            {"key": "force", "value": {"stringValue": "essex"}},
            {"key": "late", "value": {"boolValue": True}},
        ],
    }
    return [of_service("ingest", batch), of_service("match", alert)]


async def test_jaeger() -> None:
    async with answering(of_jaeger()) as (url, requests):
        found = await fetch_spans(f"{url}/", TRACE)
    assert requests == [(f"/api/traces/{TRACE}", None)]
    assert found[BATCH] == WANTED[BATCH]
    alert = {**vars(found[ALERT])}
    assert alert.pop("attributes") == TOLD | {"otel.status_code": "ERROR"}
    assert alert.items() <= vars(WANTED[ALERT]).items()


@pytest.mark.parametrize("shape", ["batches", "trace", "result"])
async def test_tempo_and_others_with_otlp(shape: str) -> None:
    batches = of_tempo(encoded=shape == "batches")
    answer = {"batches": batches} if shape == "batches" else {shape: {"resourceSpans": batches}}
    async with answering(answer) as (url, _):
        assert await fetch_spans(url, TRACE) == WANTED


async def test_a_trace_that_is_unknown_has_no_spans() -> None:
    async with answering("trace not found", 404) as (url, _):
        assert await fetch_spans(url, TRACE) == {}
    async with answering({"data": []}) as (url, _):
        assert await fetch_spans(url, TRACE) == {}


@pytest.mark.parametrize(
    ("answer", "status", "code", "said"),
    [
        ("<html>", 200, Exit.FAILED, "does not answer in JSON"),
        ([1], 200, Exit.FAILED, "does not answer as Jaeger or Tempo do"),
        ({"data": [{"spans": [{}], "processes": {}}]}, 200, Exit.FAILED, "as Jaeger or Tempo do"),
        ("no", 401, Exit.UNREACHABLE, TOKEN),
        ("no", 500, Exit.UNREACHABLE, "HTTP 500"),
    ],
)
async def test_other_answers(answer: Any, status: int, code: Exit, said: str) -> None:
    async with answering(answer, status) as (url, _):
        with pytest.raises(CliError, match=said) as caught:
            await fetch_spans(url, TRACE)
    assert caught.value.code is code


async def test_a_token_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    async with answering({"data": []}) as (url, requests):
        await fetch_spans(url, TRACE)
    assert requests[0][1] == "Bearer secret"
    with pytest.raises(CliError, match="cannot be asked") as caught:
        await fetch_spans(url, TRACE)
    assert caught.value.code is Exit.UNREACHABLE
