"""Deliver number plate reads to a Gantry server: keep them until acknowledged, resend, never lose one.

async with Connection("gantry.example:7443", authority=Path("ca.pem")) as connection:
    feed = connection.feed(token)
    async with feed.stream(on_receipt=print) as stream:
        await stream.send([read(camera_id="A12-003", read_id="77", captured_at=now, vrm="AB12CDE")])
"""

from gantry.common.v1.read_pb2 import ReadDetails

from gantry_sdk.backoff import Backoff
from gantry_sdk.batches import PreparedBatch, prepare, read
from gantry_sdk.connection import Connection
from gantry_sdk.errors import BatchTooLarge, FeedError, FeedRefused, FeedUnavailable, ServerNotTrusted
from gantry_sdk.feed import FeedClient
from gantry_sdk.leaving import run
from gantry_sdk.receipts import Receipt, reason_name, remark_text
from gantry_sdk.stream import ReadStream, StreamLimits

__all__ = [
    "Backoff",
    "BatchTooLarge",
    "Connection",
    "FeedClient",
    "FeedError",
    "FeedRefused",
    "FeedUnavailable",
    "PreparedBatch",
    "ReadDetails",
    "ReadStream",
    "Receipt",
    "ServerNotTrusted",
    "StreamLimits",
    "prepare",
    "read",
    "reason_name",
    "remark_text",
    "run",
]
