"""The demo's comparison: silent about nothing."""

from collections.abc import Sequence

import pytest

from cli.demo.compare import Findings, SentRead, checks, percentile
from cli.demo.expected import ExpectedAlert, Identity
from cli.demo.report import Outcome

ONE: Identity = ("essex", "C1", 1, "r1")
TWO: Identity = ("essex", "C1", 2, "r2")
REFUSED: Identity = ("kent", "C9", 3, "r3")
ALERT = ExpectedAlert(ONE, "list", "AB12CDE", near=False)
SENT = [
    SentRead(ONE, "accept", "accept"),
    SentRead(TWO, "accept", "accept"),
    SentRead(ONE, "duplicate", "duplicate"),
    SentRead(REFUSED, "reject:VRM_EMPTY", "reject:VRM_EMPTY"),
]


def broken(
    sent: Sequence[SentRead] = SENT,
    stored: Sequence[Identity] = (ONE, TWO),
    nas: Sequence[Identity] = (ONE, TWO),
    raised: Sequence[ExpectedAlert] = (ALERT,),
) -> list[str]:
    found = Findings(sent, stored, {"nas": nas}, {ALERT}, raised)
    return [f"{check.name}: {' '.join(check.differences)}" for check in checks(found) if not check.holds]


def test_a_good_run_holds() -> None:
    assert broken() == []


def test_a_resend_after_a_lost_answer_counts_as_kept() -> None:
    assert broken([SentRead(ONE, "accept", "duplicate"), SentRead(TWO, "accept", "accept")]) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"stored": [ONE]}, "store has exactly what was acknowledged: 1 missing: essex/C1/r2"),
        ({"stored": [ONE, TWO, TWO]}, "there more than once: essex/C1/r2"),
        ({"stored": [ONE, TWO, REFUSED]}, "1 not expected: kent/C9/r3"),
        ({"nas": [TWO]}, "NAS accepted exactly what was acknowledged: 1 missing: essex/C1/r1"),
        ({"raised": []}, "alerts raised are the alerts expected: 1 missing"),
        ({"raised": [ALERT, ALERT]}, "there more than once"),
        ({"sent": [*SENT, SentRead(("kent", "C1", 9, "r9"), "accept", "")]}, "planned accept, got no answer"),
        ({"sent": [SentRead(ONE, "accept", "accept"), SentRead(TWO, "accept", "reject:X")]}, "got reject:X"),
        ({"sent": [*SENT, SentRead(TWO, "duplicate", "accept")]}, "planned duplicate, got accept"),
    ],
)
def test_each_difference_is_named(changed: dict[str, list[object]], said: str) -> None:
    assert any(said in sentence for sentence in broken(**changed))  # type: ignore[arg-type]


def test_percentiles() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([float(n) for n in range(100)], 0.99) == 99.0


def test_the_report_adds_up_also_when_an_answer_was_lost() -> None:
    lost = [SentRead(ONE, "accept", "duplicate"), *SENT[1:]]
    found = Findings(lost, [ONE, TWO], {"nas": [ONE, TWO], "nadc": [ONE, TWO]}, {ALERT}, [ALERT])
    cameras = {"ack_ms": {"p50": 1.0, "p99": 2.0, "max": 3.0}, "reads_per_s": 4.0}
    told = Outcome(found, checks(found), cameras, [5.0, 7.0], 1, 10.0).as_json()
    assert told["ok"] is True
    assert (told["reads_sent"], told["reads_acked"], told["duplicates"], told["rejected"]) == (4, 3, 1, 1)
    assert told["reads_stored"] == told["nas_accepted"] == told["nadc_accepted"] == 2
    assert told["reads_sent"] - told["rejected"] - told["duplicates"] == told["reads_stored"]
    assert (told["alerts_expected"], told["alerts_raised"]) == (1, 1)
    assert (told["ack_ms"], told["alert_ms"]) == ({"p50": 1.0, "p99": 2.0}, {"p50": 7.0, "p99": 7.0})
