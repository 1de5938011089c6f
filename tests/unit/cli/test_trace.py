"""The hops of one read, found among the spans of many."""

import json
from pathlib import Path
from typing import Any

from cli.trace.follow import follow, tree
from cli.trace.spans import Span, parse_traceparent, read_spans

HERE, THERE = "a" * 32, "b" * 32


def span(name: str, number: int, parent: int = 0, trace: str = HERE, **more: Any) -> dict[str, Any]:
    return {
        "trace_id": trace,
        "span_id": f"{number:016x}",
        "parent_span_id": f"{parent:016x}" if parent else "",
        "links": [],
        "service": name.split(".", maxsplit=1)[0],
        "name": name,
        "start_ns": number * 1_000_000,
        "end_ns": number * 1_000_000 + 500_000,
        "status": "OK",
        "attributes": {},
    } | more


def link(number: int, trace: str = HERE) -> dict[str, str]:
    return {"trace_id": trace, "span_id": f"{number:016x}"}


CAMERA = span("camera.send", 1)
BATCH = span("ingest.batch", 2, 1)
OTHER_BATCH = span("ingest.batch", 3, trace=THERE)
APPEND = span("ingest.append", 4, 2, links=[link(3, THERE)], attributes={"shared_by": 2})
STORE = span("store.append", 5, 4)
COMMIT = span("store.commit", 6, 5)
ALERT = span("match.alert", 7, 5, attributes={"position": 42})
OTHERS_ALERT = span("match.alert", 8, 5, attributes={"position": 43})
DELIVERY = span("bridge.forward", 9, 5, attributes={"destination": "nas", "shared_by": 6})
NAS = span("nas.accept", 10, 9)
SHARED = span("bridge.forward", 12, 3, trace=THERE, links=[link(9)], attributes={"shared_by": 6})
UNRELATED = span("ingest.batch", 11, trace="d" * 32)
ALL = [
    CAMERA,
    BATCH,
    OTHER_BATCH,
    APPEND,
    STORE,
    COMMIT,
    ALERT,
    OTHERS_ALERT,
    DELIVERY,
    NAS,
    SHARED,
    UNRELATED,
]


def written(folder: Path) -> dict[str, Span]:
    by_service: dict[str, list[str]] = {}
    for one in ALL:
        by_service.setdefault(one["service"], []).append(json.dumps(one, separators=(",", ":")))
    for service, lines in by_service.items():
        (folder / f"{service}.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "store.jsonl.1").write_text(json.dumps(STORE)[:40])
    return read_spans(folder, HERE)


def test_a_read_is_followed_through_its_trace(tmp_path: Path) -> None:
    hops = follow(written(tmp_path), STORE["span_id"], 42)
    assert [(hop.span.name, hop.depth) for hop in hops] == [
        ("camera.send", 0),
        ("ingest.batch", 1),
        ("ingest.append", 2),
        ("store.append", 3),
        ("store.commit", 4),
        ("match.alert", 4),
        ("bridge.forward", 4),
        ("nas.accept", 5),
    ]
    assert next(hop.remark for hop in hops if hop.span.name == "ingest.append") == "serves 1 more"
    assert next(hop.remark for hop in hops if hop.span.name == "bridge.forward") == "to nas, serves 5 more"


def test_spans_of_other_traces_are_not_read(tmp_path: Path) -> None:
    known = written(tmp_path)
    assert UNRELATED["span_id"] not in known
    assert SHARED["span_id"] not in known, "the other batches of a delivery have traces of their own"


def test_a_trace_is_shown_as_the_tree_that_it_is(tmp_path: Path) -> None:
    known = written(tmp_path)
    assert [(hop.span.name, hop.depth) for hop in tree(known)] == [
        ("camera.send", 0),
        ("ingest.batch", 1),
        ("ingest.append", 2),
        ("store.append", 3),
        ("store.commit", 4),
        ("match.alert", 4),
        ("match.alert", 4),
        ("bridge.forward", 4),
        ("nas.accept", 5),
    ]
    del known[STORE["span_id"]]
    assert [hop.span.name for hop in tree(known) if hop.depth == 0] == [
        "camera.send",
        "store.commit",
        "match.alert",
        "match.alert",
        "bridge.forward",
    ]


def test_of_the_alerts_of_an_append_only_those_of_the_read_are_its_hops() -> None:
    def alerts_of(position: int) -> list[tuple[int, str]]:
        known = [STORE, ALERT, span("match.alert", 13, 5, attributes={"positions": [43, 44]})]
        known.append(span("match.alert", 14, 5))
        spans = {one["span_id"]: Span(**_fields(one)) for one in known}
        hops = follow(spans, STORE["span_id"], position)
        return [(int(hop.span.span_id, 16), hop.remark) for hop in hops if hop.span.name == "match.alert"]

    silent = (14, "of a read of the same batch")
    assert alerts_of(42) == [(7, ""), silent]
    assert alerts_of(44) == [(13, ""), silent]
    assert alerts_of(45) == [silent]


def _fields(one: dict[str, Any]) -> dict[str, Any]:
    own = {name: value for name, value in one.items() if name not in {"parent_span_id", "links"}}
    return {**own, "parent": one["parent_span_id"]}


def test_an_unknown_append_has_no_hops(tmp_path: Path) -> None:
    assert follow(written(tmp_path), "f" * 16, 42) == []
    assert read_spans(tmp_path / "absent", HERE) == {}


def test_traceparents() -> None:
    sampled = parse_traceparent(f"00-{HERE}-{5:016x}-01")
    assert sampled is not None
    assert (sampled.trace_id, sampled.span_id, sampled.sampled) == (HERE, f"{5:016x}", True)
    unsampled = parse_traceparent(f"00-{HERE}-{5:016x}-00")
    assert unsampled is not None
    assert not unsampled.sampled
    for wrong in ("", "00-x-y-z", f"00-{HERE}-{5:016x}-zz"):
        assert parse_traceparent(wrong) is None
