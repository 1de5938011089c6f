"""A service's log holds lines of JSON and nothing else, whoever connects to its ports."""

import asyncio
import json

from suite.suite import Suite

_SECONDS = 10.0


async def test_a_foreign_connection_leaves_no_line_that_is_not_json(suite: Suite) -> None:
    for process, port in (("ingest", "public"), ("ingest", "grpc"), ("store", "grpc")):
        host, _, number = suite.address(process, port).partition(":")
        reader, writer = await asyncio.open_connection(host, int(number))
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        await asyncio.wait_for(reader.read(), _SECONDS)  # until the service has closed it
        writer.close()
    for process in ("ingest", "store"):
        lines = suite.process(process).log.read_text().splitlines()
        assert lines
        for line in lines:
            assert json.loads(line)["service"] == process
