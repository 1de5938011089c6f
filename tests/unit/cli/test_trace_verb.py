"""`gantry trace` against servers that answer: what people see of one read, and what scripts get."""

import json
from pathlib import Path

from gantry.bridge.v1.bridge_pb2 import GetReceiptResponse

from cli.exits import Exit
from suite.steps import Phase, Steps
from tests.unit.cli.fake_suite import LOOK, Command, World, lines_of, stored


def record_spans(home: Path) -> None:
    """As a service does that has a file for its spans."""
    (home / "spans").mkdir(exist_ok=True)
    (home / "spans" / "store.jsonl").touch()


def test_trace_lists_the_other_reads_of_an_id(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", "r1", number) for number in range(200, 50, -1)]
    world.reads[-1].read.camera_id = "C9"
    done = gantry("trace", "r1", *LOOK, "--force", "essex")
    assert "149 other reads of essex have this id" in done.stderr
    assert "49 more are not listed" in done.stderr
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.lstrip().startswith("C1")] == [
        str(number) for number in range(199, 99, -1)
    ]
    told = lines_of(gantry("trace", "r1", *LOOK, "--force", "essex", "--json"))[0]
    assert (told["others_count"], len(told["others"])) == (149, 100)


def test_trace_of_one_camera_tells_of_no_others(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", "r1", number) for number in (9, 8)]
    world.reads[-1].read.camera_id = "C9"
    done = gantry("trace", "r1", *LOOK, "--camera", "C9")
    assert "at position 8" in done.stdout
    assert "other read" not in done.stderr
    missing = gantry("trace", "r1", *LOOK, "--camera", "C8", code=Exit.NOT_FOUND)
    assert "of camera C8" in missing.stderr
    gantry("trace", "--position", "9", *LOOK, "--camera", "C9", code=Exit.USAGE)


def test_trace_of_an_unsampled_read_shows_what_is_stored(
    gantry: Command, world: World, tmp_path: Path
) -> None:
    record_spans(tmp_path)
    world.reads = [stored("AB12CDE", "r1", 7)]
    world.receipts["nas"] = GetReceiptResponse(receipt_id="N-1", first_position=5, last_position=9)
    shown = gantry("trace", "r1", *LOOK)
    for word in ("position 7", "receipt N-1", "nadc: not delivered yet"):
        assert word in shown.stdout
    assert "only so many traces a second are kept. What the services stored of it is above" in shown.stderr
    assert "SPANS_FILE" not in shown.stderr
    assert "AB12CDE" not in shown.output
    gantry("trace", "r2", *LOOK, code=Exit.NOT_FOUND)


def test_trace_says_when_the_services_may_keep_no_traces(
    gantry: Command, world: World, tmp_path: Path
) -> None:
    world.reads = [stored("AB12CDE", "r1", 7)]
    told = (
        f"no traces: none is in {tmp_path / 'spans'}. They write them there with GANTRY_TELEMETRY__SPANS_FILE"
    )
    assert told in lines_of(gantry("trace", "r1", *LOOK, "--json"))[0]["note"]
    (tmp_path / "spans").mkdir()
    assert told in lines_of(gantry("trace", "r1", *LOOK, "--json"))[0]["note"]
    elsewhere = lines_of(gantry("trace", "r1", *LOOK, "--json", "--from", "http://127.0.0.1:9"))[0]["note"]
    assert "this read was not sampled" in elsewhere
    assert "SPANS_FILE" not in elsewhere
    record_spans(tmp_path)
    assert "SPANS_FILE" not in lines_of(gantry("trace", "r1", *LOOK, "--json"))[0]["note"]


def test_trace_says_when_another_force_has_the_id_too(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", "r1", 7), stored("XY34FGH", "r1", 9, force="kent")]
    shown = gantry("trace", "r1", *LOOK)
    assert "position 7" in shown.stdout
    assert "kent has a read with this id too: --force kent shows it" in shown.stderr
    assert lines_of(gantry("trace", "r1", *LOOK, "--json"))[0]["also_in"] == ["kent"]
    told = gantry("trace", "r1", "--force", "kent", *LOOK)
    assert "position 9" in told.stdout
    assert "too" not in told.stderr


def test_trace_takes_a_position_where_ids_repeat(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", "r1", 7), stored("XY34FGH", "r1", 9)]
    words = ("trace", "--position", "9", *LOOK, "--json")
    assert lines_of(gantry(*words, "--force", "essex"))[0]["read"]["vrm"] == "XY34FGH"
    assert "say for which force" in gantry(*words, code=Exit.USAGE).stderr
    gantry("trace", "--position", "8", "--force", "essex", *LOOK, code=Exit.NOT_FOUND)
    for named in ((), ("r1", "--position", "9")):
        assert (
            "either by its READ_ID or with --position"
            in gantry("trace", *named, *LOOK, code=Exit.USAGE).stderr
        )


def test_trace_shows_hops_from_the_spans(gantry: Command, world: World, tmp_path: Path) -> None:
    trace, append = "a" * 32, "5" * 16
    world.reads = [stored("AB12CDE", "r1", 7, traceparent=f"00-{trace}-{append}-01")]
    (tmp_path / "spans").mkdir()
    common = {"trace_id": trace, "links": [], "status": "UNSET", "attributes": {}}
    spans = [
        {"span_id": "4" * 16, "parent_span_id": "", "service": "ingest", "name": "ingest.append"},
        {"span_id": append, "parent_span_id": "4" * 16, "service": "store", "name": "AppendReads"},
    ]
    for number, span in enumerate(spans):
        times = {"start_ns": number * 2_000_000, "end_ns": 9_000_000}
        (tmp_path / "spans" / f"{span['service']}.jsonl").write_text(json.dumps(span | common | times) + "\n")
    hops = lines_of(gantry("trace", "r1", *LOOK, "--json"))[0]["hops"]
    assert [(hop["service"], hop["start_ms"], hop["duration_ms"]) for hop in hops] == [
        ("ingest", 0.0, 9.0),
        ("store", 2.0, 7.0),
    ]
    assert "ingest.append" in gantry("trace", "r1", *LOOK).stdout


def test_a_trace_tells_what_is_known_while_the_bridge_is_away(
    gantry: Command, world: World, tmp_path: Path
) -> None:
    world.reads = [stored("AB12CDE", "r1", 1)]
    (tmp_path / "run" / "nas_bridge.json").unlink()
    shown = gantry("trace", "r1", *LOOK, code=Exit.UNREACHABLE)
    assert "r1 of essex" in shown.stdout
    assert "the receipts are not known now: nas_bridge is not running" in shown.stderr
    told = lines_of(gantry("trace", "r1", *LOOK, "--json", code=Exit.UNREACHABLE))[0]
    assert told["receipts"] == {}
    assert "nas_bridge is not running" in told["receipts_unknown"]


def test_a_trace_names_the_options_that_show_another_read(gantry: Command, world: World) -> None:
    world.reads = [stored("AB12CDE", "r1", 9), stored("AB12CDE", "r1", 7)]
    assert "the newest is shown; --position shows another:" in gantry("trace", "r1", *LOOK).stderr
    world.reads[1].read.camera_id = "C2"
    assert "--camera or --position shows another:" in gantry("trace", "r1", *LOOK).stderr


def test_a_trace_sends_to_status_once(gantry: Command, world: World, tmp_path: Path) -> None:
    world.reads = [stored("AB12CDE", "r1", 9)]
    steps = Steps(tmp_path / "run", lambda _: None)
    steps.begin(Phase.RUNNING)
    (tmp_path / "run" / "nas_bridge.json").unlink()
    done = gantry("trace", "r1", *LOOK, code=Exit.UNREACHABLE)
    assert "nas_bridge is down in" in done.stderr
    assert done.stderr.count("see `gantry status`") == 1


def test_a_whole_trace_needs_no_read_and_no_purpose(gantry: Command, tmp_path: Path) -> None:
    trace = "a" * 32
    (tmp_path / "spans").mkdir()
    spans = [
        {"span_id": "1" * 16, "parent_span_id": "", "service": "ingest", "name": "ingest.batch"},
        {"span_id": "2" * 16, "parent_span_id": "1" * 16, "service": "match", "name": "match.reads"},
    ]
    times = {"start_ns": 1_000_000, "end_ns": 3_000_000}
    common = {"trace_id": trace, "status": "UNSET", "attributes": {}, **times}
    lines = [json.dumps(span | common) for span in spans]
    (tmp_path / "spans" / "all.jsonl").write_text("\n".join(lines) + "\n")
    told = lines_of(gantry("trace", "--trace", trace.upper(), "--json"))[0]
    assert told["trace_id"] == trace
    assert [(hop["span"], hop["depth"]) for hop in told["hops"]] == [("ingest.batch", 0), ("match.reads", 1)]
    assert "match.reads" in gantry("trace", "--trace", trace).stdout
    unknown = gantry("trace", "--trace", "b" * 32, code=Exit.NOT_FOUND)
    assert "no span of that trace is in" in unknown.stderr
    wrong = (("--trace", "xyz"), ("r1", "--trace", trace), ("r1",), ("--trace", trace, "--from", "jaeger"))
    for words in wrong:
        gantry("trace", *words, code=Exit.USAGE)
