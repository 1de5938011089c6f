"""The public door as grpcurl and ghz see it: reflection, calls, load, and the door's own words."""

import json
from datetime import UTC, datetime

from suite.suite import Suite
from tests.counterparts.programs import program, told
from tests.e2e.door import EnrolledFeed

GRPCURL = "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4"
GHZ = "go install github.com/bojand/ghz/cmd/ghz@v0.120.0"
SERVICE = "gantry.ingest.v1.IngestService"


async def grpcurl(suite: Suite, token: str, *words: str, data: str = "") -> tuple[int, str]:
    """What grpcurl tells with a feed's token."""
    header = ("-H", f"authorization: Bearer {token}") if token else ()
    body = ("-d", data) if data else ()
    address = suite.address("ingest", "public")
    common = ("-cacert", str(suite.authority.certificate), "-authority", "localhost", *header, *body)
    return await told(program("grpcurl", GRPCURL), *common, address, *words)


async def test_grpcurl_learns_the_contract_and_calls(suite: Suite, feed: EnrolledFeed) -> None:
    code, listed = await grpcurl(suite, feed.token, "list")
    assert (code, listed.split()[0]) == (0, SERVICE), listed
    assert "rpc SubmitReads" in (await grpcurl(suite, feed.token, "describe", SERVICE))[1]
    read = {"camera_id": feed.cameras[0], "read_id": "g-1", "vrm": "AB12 CDE"}
    data = json.dumps({"reads": [read | {"captured_at": datetime.now(UTC).isoformat()}, read]})
    code, answer = await grpcurl(suite, feed.token, f"{SERVICE}/SubmitReads", data=data)
    assert code == 0, answer
    ack = json.loads(answer)["ack"]
    assert (ack["accepted"], ack["rejections"][0]["reason"]) == (1, "REJECTION_REASON_TIME_INVALID")


async def test_grpcurl_is_refused_in_the_words_of_the_door(suite: Suite, feed: EnrolledFeed) -> None:
    _, said = await grpcurl(suite, "", "list")
    assert "send the feed's token as metadata `authorization: Bearer <token>` with every call" in said
    _, said = await grpcurl(suite, "gf_other", "list")
    assert "no feed has this token, or it was revoked; ask the force's ANPR engineer" in said
    too_many = json.dumps({"reads": [{"vrm": "AB12CDE"}] * 1001})
    code, said = await grpcurl(suite, feed.token, f"{SERVICE}/SubmitReads", data=too_many)
    assert code != 0
    assert "the batch has 1001 reads, at most 1000 are allowed; split it" in said
    assert '"reason": "BATCH_TOO_LARGE"' in said


async def test_ghz_loads_the_door(suite: Suite, feed: EnrolledFeed) -> None:
    token = json.dumps({"authorization": f"Bearer {feed.token}"})
    moment = datetime.now(UTC).isoformat()
    read = {"camera_id": feed.cameras[0], "read_id": "ghz-{{.RequestNumber}}", "vrm": "AB12CDE"}
    code, report = await told(
        *(program("ghz", GHZ), "--cacert", str(suite.authority.certificate), "--cname", "localhost"),
        *("-m", token, "--reflect-metadata", token, "-n", "500", "-c", "10", "-O", "json"),
        *("--call", f"{SERVICE}.SubmitReads", "-d", json.dumps({"reads": [read | {"captured_at": moment}]})),
        suite.address("ingest", "public"),
    )
    assert code == 0, report
    assert json.loads(report)["statusCodeDistribution"] == {"OK": 500}
