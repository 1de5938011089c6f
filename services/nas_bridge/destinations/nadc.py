"""NADC: batches as XML by HTTPS with mutual TLS, in a form of our own that is not the official one."""

from __future__ import annotations

import errno
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Final

import aiohttp
from opentelemetry.trace import Span, SpanKind
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, UrlConstraints

from chassis.client import certified_name
from chassis.errors import StartupFailure
from chassis.settings import TlsSettings
from chassis.telemetry import current_traceparent, tracer
from services.nas_bridge.destinations.adapter import (
    DeliveryFailedError,
    Receipt,
    Refusal,
    Submission,
    SubmissionRefusedError,
    options_as,
)
from services.nas_bridge.destinations.destination import DestinationSettings
from services.nas_bridge.destinations.nadc_document import (
    AnswerError,
    BatchReceipt,
    batch_document,
    parse_fault,
    parse_receipt,
)
from services.nas_bridge.names import SpanName

_OK: Final = 200
# HTTP statuses that a repeat would meet again; true: a read in the batch is at fault, false: the sender is.
_REFUSED: Final = {400: True, 413: True, 422: True, 401: False, 403: False}
# The first that fits counts.
_UNANSWERED: Final = (
    (aiohttp.ClientSSLError, "cannot be trusted, or does not trust us: the TLS handshake failed"),
    (aiohttp.ClientConnectorDNSError, "has an address that no name server knows"),
    (
        (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError),
        "closed the connection without an answer",
    ),
)
_MOST_ANSWER_BYTES: Final = 16 * 1024 * 1024
# W3C allows one traceparent in a request. These are of the other traced batches in it: at most 127, 7 KiB.
_TRACEPARENTS: Final = "gantry-traceparents"
_CONTENT_TYPE: Final = "application/xml; charset=utf-8"


class NadcOptions(BaseModel):
    """The options of adapter ``nadc``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=["https"], host_required=True)] = Field(
        description="the URL with https to which batches are posted"
    )


class NadcDestination:
    """Posts one document a submission."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, server_name: str, timeout_seconds: float
    ) -> None:
        self._session = session
        self._url = url
        self._server_name = server_name
        self._seconds = timeout_seconds

    @staticmethod
    def check(options: Mapping[str, str]) -> None:
        """See `DestinationAdapter`."""
        options_as(NadcOptions, options)

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DestinationSettings, tls: TlsSettings) -> AsyncIterator[NadcDestination]:
        """Open a session whose connections are kept alive; see `DestinationAdapter`."""
        url = options_as(NadcOptions, settings.options).url
        name = settings.server_name or certified_name(url.host or "")
        timeout = aiohttp.ClientTimeout(total=settings.timeout_seconds)
        connector = aiohttp.TCPConnector(ssl=_mutual_tls(tls))
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            yield cls(session, str(url), name, settings.timeout_seconds)

    async def deliver(self, submission: Submission) -> Receipt:
        """Post the batch. Any other answer than a receipt raises DeliveryFailedError."""
        runs = [run.columns for run in submission.runs]
        document = batch_document(submission.force, submission.submission_id, runs)
        answer = await self._post(document, submission.traceparents)
        refusals = [Refusal(*refused) for refused in answer.refused]
        return Receipt(answer.receipt, answer.accepted, answer.duplicate, refusals)

    async def _post(self, document: bytes, traceparents: Sequence[str]) -> BatchReceipt:
        headers = {"Content-Type": _CONTENT_TYPE}
        if traceparents:
            headers[_TRACEPARENTS] = ",".join(traceparents)
        about = {"http.request.method": "POST", "server.address": self._server_name}
        with tracer().start_as_current_span(
            SpanName.BRIDGE_POST, kind=SpanKind.CLIENT, attributes=about
        ) as span:
            if traceparent := current_traceparent():
                headers["traceparent"] = traceparent
            return await self._answer(document, headers, span)

    async def _answer(self, document: bytes, headers: Mapping[str, str], span: Span) -> BatchReceipt:
        try:
            async with self._session.post(
                self._url, data=document, headers=headers, server_hostname=self._server_name
            ) as response:
                span.set_attribute("http.response.status_code", response.status)
                return _receipt_in(response, await _body_of(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeliveryFailedError(f"NADC {_happened(error, self._seconds)}") from None
        except AnswerError as error:
            raise DeliveryFailedError(f"NADC's answer cannot be used: {error}") from None


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_ANSWER_BYTES:
            raise AnswerError("it is too long")
    return bytes(body)


def _receipt_in(response: aiohttp.ClientResponse, body: bytes) -> BatchReceipt:
    if response.status == _OK:
        return parse_receipt(body)
    code = parse_fault(body)
    said = f"NADC answered HTTP {response.status}, {code or 'no reason'}"
    wait = response.headers.get("Retry-After", "")
    retry_after = float(wait) if wait.isascii() and wait.isdecimal() else None
    if response.status in _REFUSED:
        raise SubmissionRefusedError(
            said,
            reason=code or f"HTTP_{response.status}",
            divisible=_REFUSED[response.status],
            retry_after=retry_after,
        )
    raise DeliveryFailedError(said, retry_after=retry_after)


def _happened(error: BaseException, seconds: float) -> str:
    """What NADC has done instead of answering, as a predicate."""
    if isinstance(error, TimeoutError):
        return f"did not answer within {seconds:g} s"
    for kinds, happened in _UNANSWERED:
        if isinstance(error, kinds):
            return happened
    refused = getattr(error, "errno", None) == errno.ECONNREFUSED
    return "refuses connections" if refused else f"cannot be reached ({type(error).__name__})"


def _mutual_tls(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.authority))
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise StartupFailure(f"NADC's certificate, key or authority cannot be used: {error}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
