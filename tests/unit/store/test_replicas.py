"""Notices between replicas: complete, and never longer than PostgreSQL takes."""

from __future__ import annotations

from services.store.replicas.postgres import notices, sender_of


def test_notices_carry_all_heads_and_stay_short() -> None:
    heads = {f"force-{number}": 10**15 + number for number in range(1_000)}
    texts = [*notices("me", heads)]
    assert max(map(len, texts)) < 8_000
    heard: dict[str, int] = {}
    for text in texts:
        assert sender_of(text) == "me"
        pairs = (each.split("=") for each in text.split(" ")[1:])
        heard |= {force: int(head) for force, head in pairs}
    assert heard == heads
