"""The spans of a trace from the query API of Jaeger or Tempo, or of another tool that has one of the two.

Both answer `GET /api/traces/TRACE_ID`. Jaeger has a form of its own. Tempo answers with OTLP as JSON, in
which ids are base64 or hexadecimal.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import aiohttp

from cli.exits import CliError, Exit
from cli.trace.spans import Span

TOKEN: Final = "GANTRY_TRACES_TOKEN"  # noqa: S105 - the name of a variable
_SECONDS: Final = 10.0
_FAILED: Final = {2, "STATUS_CODE_ERROR"}
_VALUES: Final = ("stringValue", "boolValue", "intValue", "doubleValue")


async def fetch_spans(url: str, trace_id: str) -> dict[str, Span]:
    """All spans of a trace that a tool has, by span id. CliError when it cannot be asked or understood."""
    told = await _told(url.rstrip("/"), trace_id)
    try:
        return {span.span_id: span for span in _spans(told) if span.trace_id == trace_id}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CliError(
            f"{url} does not answer as Jaeger or Tempo do ({type(error).__name__}); "
            "--from takes the address of their query API, such as http://jaeger:16686"
        ) from None


async def _told(url: str, trace_id: str) -> Any:
    token = os.environ.get(TOKEN)
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=True) as session,
            session.get(f"{url}/api/traces/{trace_id}") as answer,
        ):
            if answer.status == 404:
                return {}
            if answer.status != 200:
                raise CliError(_refusal(url, answer.status), Exit.UNREACHABLE)
            return json.loads(await answer.read())
    except aiohttp.InvalidURL:
        raise CliError("--from takes a URL, such as http://jaeger:16686", Exit.USAGE) from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise CliError(
            f"{url} cannot be asked for traces ({type(error).__name__})", Exit.UNREACHABLE
        ) from None
    except ValueError:
        raise CliError(f"{url} does not answer in JSON: is it a query API of Jaeger or Tempo?") from None


def _refusal(url: str, status: int) -> str:
    if status in {401, 403}:
        return f"{url} wants a token (HTTP {status}); put it into {TOKEN}"
    return f"{url} answered HTTP {status} when asked for a trace"


def _spans(told: Any) -> Iterator[Span]:
    if "data" in told:
        for trace in told["data"] or ():
            yield from (_of_jaeger(span, trace["processes"]) for span in trace["spans"])
        return
    inner = told.get("trace") or told.get("result") or told
    for batch in inner.get("batches") or inner.get("resourceSpans") or ():
        service = str(_attributes(batch["resource"]["attributes"])["service.name"])
        for scope in batch.get("scopeSpans") or batch.get("instrumentationLibrarySpans") or ():
            yield from (_of_otlp(span, service) for span in scope["spans"])


def _of_jaeger(span: Mapping[str, Any], processes: Mapping[str, Any]) -> Span:
    parents = [each["spanID"] for each in span["references"] if each["refType"] == "CHILD_OF"]
    tags = {tag["key"]: _several(tag["value"]) for tag in span["tags"]}
    start_ns = int(span["startTime"]) * 1000
    return Span(
        trace_id=span["traceID"].rjust(32, "0"),
        span_id=span["spanID"],
        parent=next(iter(parents), ""),
        service=processes[span["processID"]]["serviceName"],
        name=span["operationName"],
        start_ns=start_ns,
        end_ns=start_ns + int(span["duration"]) * 1000,
        status=str(tags.get("otel.status_code", "")),
        attributes=tags,
    )


def _several(value: Any) -> Any:
    """Jaeger keeps a list as its JSON."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError):
            return [int(each) for each in json.loads(value)]
    return value


def _of_otlp(span: Mapping[str, Any], service: str) -> Span:
    return Span(
        trace_id=_hexadecimal(span["traceId"], 32),
        span_id=_hexadecimal(span["spanId"], 16),
        parent=_hexadecimal(span.get("parentSpanId", ""), 16),
        service=service,
        name=span["name"],
        start_ns=int(span["startTimeUnixNano"]),
        end_ns=int(span["endTimeUnixNano"]),
        status="ERROR" if span.get("status", {}).get("code") in _FAILED else "",
        attributes=_attributes(span.get("attributes") or ()),
    )


def _hexadecimal(text: str, length: int) -> str:
    return text if len(text) in {0, length} else base64.b64decode(text).hex()


def _attributes(told: Any) -> dict[str, Any]:
    return {each["key"]: _value(each["value"]) for each in told}


def _value(value: Mapping[str, Any]) -> Any:
    if "arrayValue" in value:
        return [_value(each) for each in value["arrayValue"].get("values", ())]
    kind = next((kind for kind in _VALUES if kind in value), None)
    return None if kind is None else int(value[kind]) if kind == "intValue" else value[kind]
