"""The hash chain notices every change."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.store.audit.chain import START, AuditEntry, ChainCheck, chained

ENTRY = AuditEntry(
    "essex", 1, 1_000, "match", "pat", 6, "theft", "a reference", "a justification", "A-1", "a subject"
)


def chain(*subjects: str) -> list[tuple[AuditEntry, bytes]]:
    links, before = [], START
    for number, subject in enumerate(subjects, 1):
        entry = replace(ENTRY, number=number, subject=subject)
        before = chained(before, entry)
        links.append((entry, before))
    return links


def test_a_whole_chain_holds_to_its_end() -> None:
    links = chain("a", "b", "c")
    check = ChainCheck()
    assert check.holds(links[:2])
    assert check.holds(links[2:])
    assert check.ends_at(3, links[-1][1])
    assert not check.ends_at(4, links[-1][1])


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_record_shows(missing: int) -> None:
    links = chain("a", "b", "c")
    del links[missing]
    check = ChainCheck()
    assert not (check.holds(links) and check.ends_at(3, chain("a", "b", "c")[-1][1]))


@pytest.mark.parametrize(
    "change",
    [
        {"force": "kent"},
        {"number": 2},
        {"recorded_at_us": 1_001},
        {"service": "ingest"},
        {"person": "sam"},
        {"action": 7},
        {"code": ""},
        {"reference": ""},
        {"justification": "another"},
        {"approval_id": "A-2"},
        {"subject": "x"},
    ],
)
def test_every_field_counts(change: dict[str, object]) -> None:
    assert chained(START, replace(ENTRY, **change)) != chained(START, ENTRY)


@given(st.lists(st.text(), min_size=5, max_size=5), st.lists(st.text(), min_size=5, max_size=5))
def test_text_cannot_move_from_one_field_to_the_next(one: list[str], other: list[str]) -> None:
    fields = ("code", "reference", "justification", "approval_id", "subject")
    left = replace(ENTRY, **dict(zip(fields, one, strict=True)))
    right = replace(ENTRY, **dict(zip(fields, other, strict=True)))
    assert (chained(START, left) == chained(START, right)) == (one == other)


@given(st.text(min_size=1), st.integers(0, 3))
def test_the_start_of_a_field_cannot_become_the_end_of_the_one_before(text: str, length: int) -> None:
    left = replace(ENTRY, code=text[:length], reference=text[length:])
    right = replace(ENTRY, code="", reference=text)
    assert (chained(START, left) == chained(START, right)) == (left == right)


def test_an_auditor_computes_the_hash_as_the_manual_says() -> None:
    texts = (
        "essex",
        "1",
        "1000",
        "match",
        "pat",
        "6",
        "theft",
        "a reference",
        "a justification",
        "A-1",
        "a subject",
    )
    content = b"".join(len(text.encode()).to_bytes(4, "big") + text.encode() for text in texts)
    assert chained(START, ENTRY) == hashlib.sha256(bytes(32) + content).digest()
