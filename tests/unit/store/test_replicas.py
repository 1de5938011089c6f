"""Notices between replicas: complete, and never longer than PostgreSQL takes."""

from __future__ import annotations

from services.store.replicas.postgres import notices, read_notice


def test_notices_carry_all_heads_and_stay_short() -> None:
    heads = {f"force-{number}": 10**15 + number for number in range(1_000)}
    texts = [*notices("me", heads)]
    assert max(map(len, texts)) < 8_000
    heard: dict[str, int] = {}
    for text in texts:
        sender, some = read_notice(text)
        assert sender == "me"
        heard |= some
    assert heard == heads
