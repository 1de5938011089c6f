"""NADC: batches as XML by HTTPS with mutual TLS, in a form of our own that is not the official one."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Final

import aiohttp
from pydantic import AnyUrl, BaseModel, ConfigDict, Field, UrlConstraints

from chassis.client import certified_name
from chassis.errors import StartupFailure
from chassis.settings import TlsSettings
from chassis.telemetry import current_traceparent
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

_OK: Final = 200
# HTTP statuses that a repeat would meet again; true: a read in the batch is at fault, false: the sender is.
_REFUSED: Final = {400: True, 413: True, 422: True, 401: False, 403: False}
_MOST_ANSWER_BYTES: Final = 16 * 1024 * 1024
_CONTENT_TYPE: Final = "application/xml; charset=utf-8"


class NadcOptions(BaseModel):
    """The options of adapter ``nadc``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[AnyUrl, UrlConstraints(allowed_schemes=["https"], host_required=True)] = Field(
        description="the URL with https to which batches are posted"
    )


class NadcDestination:
    """Posts one document a submission."""

    def __init__(self, session: aiohttp.ClientSession, url: str, server_name: str) -> None:
        self._session = session
        self._url = url
        self._server_name = server_name

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
            yield cls(session, str(url), name)

    async def deliver(self, submission: Submission) -> Receipt:
        """Post the batch. Any other answer than a receipt raises DeliveryFailedError."""
        runs = [run.columns for run in submission.runs]
        document = batch_document(submission.force, submission.submission_id, runs)
        answer = await self._post(document)
        refusals = [Refusal(*refused) for refused in answer.refused]
        return Receipt(answer.receipt, answer.accepted, answer.duplicate, refusals)

    async def _post(self, document: bytes) -> BatchReceipt:
        headers = {"Content-Type": _CONTENT_TYPE}
        if traceparent := current_traceparent():
            headers["traceparent"] = traceparent
        try:
            async with self._session.post(
                self._url, data=document, headers=headers, server_hostname=self._server_name
            ) as response:
                return _receipt_in(response, await _body_of(response))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise DeliveryFailedError(f"NADC cannot be reached ({type(error).__name__})") from None
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


def _mutual_tls(tls: TlsSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(tls.authority))
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise StartupFailure(f"NADC's certificate, key or authority cannot be used: {error}.") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
