"""What `gantry up` and `gantry demo` write down for the simulated cameras."""

import stat
from datetime import date
from pathlib import Path

from cli.fleet import FleetOrder, drawn_alike, import_hotlists, note_drawn
from cli.links import connect
from suite.layout import Layout
from tests.unit.cli.fake_suite import fake_suite


async def test_hotlists_are_readable_for_the_owner_only(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.make()
    with fake_suite(tmp_path) as world:
        async with connect(tmp_path, None) as links:
            files = await import_hotlists(
                links, layout.hotlists, [], seed=1, today=date(2026, 3, 1), reason="test"
            )
    assert set(files) == {"essex", "kent"}
    assert b"vrm,reason" in world.imported
    for file in files.values():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_hotlists_that_were_chosen_for_other_cameras_are_chosen_again(tmp_path: Path) -> None:
    layout, order = Layout.of(tmp_path), FleetOrder(1, 40.0)
    layout.make()
    assert not drawn_alike(layout, order)
    note_drawn(layout, order)
    assert drawn_alike(layout, order)
    for other in (FleetOrder(1, 200.0), FleetOrder(2, 40.0), FleetOrder(1, 40.0, forces=("avon",))):
        assert not drawn_alike(layout, other)
