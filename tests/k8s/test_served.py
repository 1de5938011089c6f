"""Two forces served by a real cluster under load, while its parts are killed, rolled, scaled and lost."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from typing import Any

from gantry_sdk import Connection, read

from cli.demo.compare import checks
from cli.fleet import FleetOrder
from tests.e2e.canaries import series_at
from tests.e2e.command import WHY
from tests.e2e.waiting import eventually
from tests.k8s.books import findings, prepare
from tests.k8s.command import add_force, gantry
from tests.k8s.disruptions import Disruptions
from tests.k8s.lab import FORCES, Lab
from tests.k8s.report import Drill, write_report
from tests.k8s.road import Road

SEED = int(os.environ.get("SEED", "7"))
SECONDS = float(os.environ.get("K8S_SECONDS", "420"))
RATE = float(os.environ.get("K8S_RATE", "100"))
NEW_FORCE = "wye"
PLATE = "WV59KXT"
VENDORS = 7443
METRICS = 7003


async def test_nothing_acknowledged_is_lost_or_doubled(lab: Lab) -> None:
    order = FleetOrder(SEED, RATE, SECONDS, forces=FORCES)
    async with lab.home.links(lab.namespace) as links:
        for force in FORCES:
            await add_force(lab.home, force)
        prepared = await prepare(links, lab.home, order)
    road = Road(lab.outside, lab.image("simulators"), order)
    door = f"ingest-vendors.{lab.namespace.name}.svc:{VENDORS}"
    await road.start(door, authority=lab.home.authority, tokens=lab.home.tokens)
    await road.connected()
    disruptions = Disruptions(lab.namespace, random.Random(SEED))
    await _disrupt(lab, disruptions)
    report = await road.report(within=SECONDS + 180)
    async with lab.home.links(lab.namespace) as links:
        found, late = await findings(lab, links, prepared, report)
        trails = [await gantry(lab.home, "audit", "verify", "--force", force) for force in FORCES]
    verdict = checks(found)
    write_report(Drill(SEED, lab.tag, report, tuple(disruptions.done), found, tuple(verdict)))
    assert late == []
    assert [check for check in verdict if not check.holds] == []
    assert found.expected, "a run without alerts proves nothing of alerts"
    assert _unfinished(report, disruptions) == []
    assert all(trail for trail in trails)


async def test_canaries_are_heard(lab: Lab) -> None:
    """After all that, those of each force that there is."""
    async with lab.namespace.forwarded("deployment/canary", METRICS) as (port,):

        async def heard() -> bool:
            shown = await series_at(f"127.0.0.1:{port}")
            return all(
                shown.get(f"heard_total {force}", 0) > 0 and shown[f"missed {force}"] == 0
                for force in (*FORCES, NEW_FORCE)
            )

        await eventually(heard, within=180, what="canaries of each force")


async def _disrupt(lab: Lab, disruptions: Disruptions) -> None:
    await disruptions.kill_each()
    await disruptions.roll_each()
    await disruptions.scale_each(3, 2)
    await disruptions.lose_primary()
    await _add_a_force(lab)
    await disruptions.scale_each(1, 2)


def _unfinished(report: Mapping[str, Any], disruptions: Disruptions) -> list[str]:
    """Disruptions that ended only after the cameras had: they proved less than they claim."""
    sent = [row[report["columns"].index("sent_at_us")] for row in report["reads"]]
    return [each.what for each in disruptions.done if (each.began + each.seconds) * 1e6 > max(sent)]


async def _add_a_force(lab: Lab) -> None:
    """A third force is a row: no pod changes, and its read is stored, matched and delivered."""
    before = await _pods(lab)
    lab.home.admit((*FORCES, NEW_FORCE))
    async with lab.home.links(lab.namespace):
        await add_force(lab.home, NEW_FORCE)
        plates = lab.home.layout.hotlists / f"{NEW_FORCE}.csv"
        plates.write_text(f"vrm,reason\n{PLATE},wanted in a test\n", encoding="utf-8")
        await gantry(lab.home, "hotlist", "import", str(plates), "--force", NEW_FORCE, *WHY)
        enrolled = await gantry(lab.home, "camera", "enrol", "wye-1", "--feed", "wye", "--force", NEW_FORCE)
        await _submit(lab, enrolled["token"])

        async def delivered() -> bool:
            traced = await gantry(lab.home, "alerts", "list", "--force", NEW_FORCE, *WHY)
            shown = await gantry(lab.home, "bridge", "destination", "list", "--force", NEW_FORCE)
            return len(traced["alerts"]) == 1 and all(one["delivered"] == 1 for one in shown["destinations"])

        await eventually(delivered, within=60, what="the new force's alert and deliveries")
    lab.home.admit(FORCES)
    assert await _pods(lab) == before


async def _submit(lab: Lab, token: str) -> None:
    async with (
        lab.namespace.forwarded("service/ingest-vendors", VENDORS) as (port,),
        Connection(f"127.0.0.1:{port}", authority=lab.home.authority, server_name="ingest") as connection,
    ):
        now = time.time_ns() // 1000
        one = read(camera_id="wye-1", read_id="wye-1-1", vrm=PLATE, captured_at=now, confidence=0.9)
        receipt = await connection.feed(token).submit([one])
        assert receipt.accepted == 1


async def _pods(lab: Lab) -> set[str]:
    found = await lab.namespace.get("pods", "-l", "app.kubernetes.io/component=service")
    return {pod["metadata"]["uid"] for pod in found["items"]}
