"""When a read is due."""

from cli.replay.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_reads_are_as_far_apart_as_they_were_recorded() -> None:
    clock = Clock()
    pace = Pace(1.0, clock)
    assert pace.wait_for(5_000_000) == 0.0
    assert pace.wait_for(7_000_000) == 2.0
    clock.now += 1.5
    assert pace.wait_for(7_000_000) == 0.5
    clock.now += 5.0
    assert pace.wait_for(7_000_000) == 0.0, "what is overdue is sent at once"


def test_speed_divides_and_a_jump_back_waits_for_nothing() -> None:
    pace = Pace(10.0, Clock())
    pace.wait_for(60_000_000)
    assert pace.wait_for(70_000_000) == 1.0
    assert pace.wait_for(10_000_000) == 0.0
    assert pace.wait_for(60_100_000) == 0.0, "too short to be worth a wait"
