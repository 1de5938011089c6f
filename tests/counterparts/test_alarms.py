"""Each fault, in a running suite, raises its alarms in a real Prometheus; before it none fires."""

import asyncio
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import psutil
import pytest

from chassis.client import open_channel
from chassis.errors import Fault
from clients.bridge import BridgeClient
from clients.ingest import CameraClient
from clients.search import SearchClient
from suite.backup.archive import Archive
from suite.backup.base import bases, make_base
from suite.backup.server import server_of
from suite.certificates import LEAF_LIFE, Authority
from suite.plan import ARCHIVER
from suite.suite import Suite
from tests.counterparts.prometheus import SHORT, Prometheus, project_rules, prometheus
from tests.counterparts.sending import delivered, sent
from tests.e2e.command import WHY, gantry
from tests.e2e.door import JPEG, EnrolledFeed, ReadMaker, public_channel, submit_reads
from tests.e2e.hotlists import import_plates
from tests.e2e.outcome import PURPOSE
from tests.e2e.waiting import eventually

PLATE = "AB12CDE"

SEARCHES = 12
VERY_SLOW_SECONDS = 6.0
"""An objective counts alerts that take more than 5 s."""
DAY_US = 86_400_000_000


@dataclass
class Stage:
    """What a fault works on."""

    suite: Suite
    feed: EnrolledFeed
    prometheus: Prometheus
    folder: Path

    async def fires(self, alarm: str, **labels: str) -> None:
        """Wait until an alarm fires, and see that it does not for a force that has no fault."""
        await self.prometheus.fires(alarm, **labels)
        if labels.get("force") == "essex":
            others = [each for each in await self.prometheus.firing() if each["alertname"] == alarm]
            assert all(each.get("force") == "essex" for each in others), others

    @property
    def archive(self) -> Archive:
        """The archive of the suite."""
        assert self.suite.settings.backup is not None
        return Archive(self.suite.settings.backup.archive)

    async def has_base_copy(self) -> None:
        """Wait for the first base copy."""

        async def there() -> bool:
            return bool(bases(self.archive))

        await eventually(there, within=60, what="there is a base copy")

    async def hears_canaries(self, force: str) -> None:
        """Wait until the canary has heard some of a force: a fault after that is the cause of its silence."""
        heard = f'gantry_canary_heard_total{{force="{force}"}} > 0'
        await eventually(lambda: self.prometheus.ask(heard), within=60, what=f"canaries of {force} are heard")

    async def knows(self, metric: str) -> None:
        """Wait until a metric is scraped. A histogram has no series before its first value."""
        await eventually(lambda: self.prometheus.ask(metric), within=60, what=f"{metric} is scraped")


@contextmanager
def frozen(stage: Stage, process: str) -> Iterator[None]:
    """A process is stopped by a signal until the end of the block."""
    stage.suite.process(process).send(signal.SIGSTOP)
    try:
        yield
    finally:
        stage.suite.process(process).send(signal.SIGCONT)


@asynccontextmanager
async def holding(stage: Stage, statement: str) -> AsyncIterator[None]:
    """A session of PostgreSQL has run a statement in a transaction, and keeps its locks until the end."""
    connection = await asyncpg.connect(**stage.suite.postgres.superuser("gantry"))
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()


@asynccontextmanager
async def restarted(stage: Stage, service: str, **environment: str) -> AsyncIterator[None]:
    """A service runs with other settings until the end of the block."""
    await stage.suite.restart(service, environment)
    try:
        yield
    finally:
        await stage.suite.restart(service)


def short_lived(stage: Stage, left: timedelta) -> dict[str, str]:
    """Settings with a certificate of match, by the suite's own authority, that ends after so long."""
    folder = stage.folder / f"pki-{left.total_seconds():.0f}"
    folder.mkdir()
    for name in ("ca.pem", "ca.key"):
        shutil.copy(stage.suite.layout.pki / name, folder)
    issued = datetime.now(UTC) + left - LEAF_LIFE
    tls = Authority(folder, clock=lambda: issued).issue_service("match")
    return {"GANTRY_TLS__CERTIFICATE": str(tls.certificate), "GANTRY_TLS__KEY": str(tls.key)}


async def a_destination_is_frozen(stage: Stage) -> None:
    with frozen(stage, "nas"):
        await sent(stage.suite, stage.feed)
        await stage.fires("DestinationFailing", force="essex", destination="nas")
        await stage.fires("DeliveryOld", force="essex", consumer="nas")
        await stage.fires("DestinationBehind", force="essex", consumer="nas")
        [lag] = await stage.prometheus.ask('gantry_bridge_lag_reads{force="essex",destination="nas"}')
        assert float(lag["value"][1]) >= 20
    await delivered(stage.suite, stage.feed)
    await stage.prometheus.ends("DestinationBehind")
    await stage.prometheus.ends("DestinationFailing")


async def a_destination_forbids(stage: Stage) -> None:
    await stage.suite.behave("nas", {"forbid": True})
    try:
        await sent(stage.suite, stage.feed)
        await stage.fires("DestinationRefuses", force="essex", destination="nas")
    finally:
        await stage.suite.behave("nas", {})
    await delivered(stage.suite, stage.feed)


async def a_destination_refuses_all_reads(stage: Stage) -> None:
    await stage.suite.behave("nas", {"refuse_every": 2})
    try:
        await sent(stage.suite, stage.feed, 40)
        await stage.fires("DeadLetters", force="essex", destination="nas")
        await stage.suite.behave("nas", {"refuse_every": 1})
        await sent(stage.suite, stage.feed, 300)
        await stage.fires("DestinationStopped", force="essex", destination="nas")
    finally:
        await stage.suite.behave("nas", {})
        verb = ("bridge", "destination", "resume", "nas", "--force", "essex", *WHY)
        await gantry(stage.suite, "operator", *verb)
    await stage.prometheus.ends("DestinationStopped")
    await delivered(stage.suite, stage.feed)


async def a_destination_is_paused(stage: Stage) -> None:
    verb = ("nas", "--force", "kent", *WHY)
    await gantry(stage.suite, "operator", "bridge", "destination", "pause", *verb)
    await stage.fires("DestinationPaused", force="kent", destination="nas")
    await gantry(stage.suite, "operator", "bridge", "destination", "resume", *verb)
    await stage.prometheus.ends("DestinationPaused")


async def match_is_frozen_while_hits_come(stage: Stage) -> None:
    await import_plates(stage.suite, "essex", [PLATE], name="counterparts")
    await delivered(stage.suite, stage.feed)
    await stage.knows("gantry_match_alert_seconds_count")
    with frozen(stage, "match"):
        await sent(stage.suite, stage.feed, 40)
        await stage.fires("AlertsLate", force="essex")
        await stage.fires("ServiceAwayMatch")
    await stage.prometheus.ends("ServiceAwayMatch")
    # The freeze was longer than the shortest windows of the objectives, which then show nothing of its end.
    with frozen(stage, "match"):
        await sent(stage.suite, stage.feed, 40)
        await asyncio.sleep(VERY_SLOW_SECONDS)
    for alarm in ("AlertsSlow", "AlertsVerySlow"):
        await stage.fires(alarm, severity="page")
    await stage.fires("LoopLate", instance=stage.suite.address("match", "metrics"))
    await stage.prometheus.ends("AlertsLate")


async def ingest_is_frozen(stage: Stage) -> None:
    await delivered(stage.suite, stage.feed)
    with frozen(stage, "ingest"):
        await stage.fires("ServiceAwayIngest")
        await stage.fires("ReadsNotStored", force="essex")
    await delivered(stage.suite, stage.feed)
    await stage.prometheus.ends("ServiceAwayIngest")


async def store_and_bridge_are_frozen(stage: Stage) -> None:
    with frozen(stage, "store"), frozen(stage, "nas_bridge"):
        await stage.fires("ServiceAwayStore")
        await stage.fires("ServiceAwayNasBridge")
    await delivered(stage.suite, stage.feed)
    await stage.prometheus.ends("ServiceAwayStore")


async def the_row_of_a_force_is_locked(stage: Stage) -> None:
    await delivered(stage.suite, stage.feed)
    sending = asyncio.create_task(_send_without_end(stage))
    try:
        async with holding(stage, "select from store.forces where force = 'essex' for update"):
            await stage.fires("AppendsRefused", force="essex")
            await stage.fires("AppendsFailAtTheDoor", force="essex")
            await stage.fires("DoorFailsBatches", force="essex", severity="page")
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    await stage.prometheus.ends("AppendsRefused")
    await delivered(stage.suite, stage.feed)


async def the_store_pauses_again_and_again(stage: Stage) -> None:
    maker = ReadMaker(stage.feed)
    async with public_channel(stage.suite) as channel:
        for _ in range(50):
            await submit_reads(channel, stage.feed.token, [maker.one(PLATE)])
        for _ in range(12):
            with frozen(stage, "store"):
                submitting = asyncio.create_task(submit_reads(channel, stage.feed.token, [maker.one(PLATE)]))
                await asyncio.wait([submitting], timeout=1.5)
                assert not submitting.done(), "nothing is acknowledged that is not stored"
            assert (await submitting).ack.accepted == 1
        await stage.fires("DoorSlow", severity="page")


async def a_service_dies_three_times(stage: Stage) -> None:
    for _ in range(3):
        [before] = await stage.prometheus.ask('gantry_process_started_seconds{service="match"}')

        async def is_back(before: object = before["value"][1]) -> bool:
            found = await stage.prometheus.ask('gantry_process_started_seconds{service="match"}')
            return bool(found) and found[0]["value"][1] != before

        await stage.suite.process("match").kill()
        await eventually(is_back, within=60, what="match is scraped again")
    await stage.fires("ServiceRestarts", service="match")
    await delivered(stage.suite, stage.feed)


async def a_right_in_the_database_is_missing(stage: Stage) -> None:
    connection = await asyncpg.connect(**stage.suite.postgres.superuser("gantry"))
    try:
        await connection.execute("revoke select on nas_bridge.dead_letters from gantry_nas_bridge")
        async with open_channel(stage.suite.address("nas_bridge"), stage.suite.person()) as channel:
            with pytest.raises(Fault, match="INTERNAL"):
                [each async for each in BridgeClient(channel).dead_letters("essex", "nas", PURPOSE)]
        await stage.fires("InternalErrors", method="gantry.bridge.v1.BridgeService/ListDeadLetters")
    finally:
        await connection.execute("grant select on nas_bridge.dead_letters to gantry_nas_bridge")
        await connection.close()


async def searches_wait_for_a_lock(stage: Stage) -> None:
    async with open_channel(stage.suite.address("store"), stage.suite.person(), retries=False) as channel:
        search = SearchClient(channel)

        async def one() -> None:
            [each async for each in search.search(["essex"], PLATE, PURPOSE, max_reads=1)]

        await one()
        await stage.knows("gantry_store_search_seconds_count")
        for _ in range(3):
            async with holding(stage, "lock table store.reads in access exclusive mode"):
                waiting = [asyncio.create_task(one()) for _ in range(8)]
                await asyncio.wait(waiting, timeout=0.8)
            await asyncio.gather(*waiting)
        await stage.fires("SearchSlow")
        async with holding(stage, "lock table store.reads in access exclusive mode"):
            ended = await asyncio.gather(*[one() for _ in range(SEARCHES)], return_exceptions=True)
        assert sum(isinstance(each, Fault) for each in ended) >= SEARCHES // 2, ended
        await stage.fires("SearchFails")


async def calls_wait_for_a_lock(stage: Stage) -> None:
    async with open_channel(stage.suite.address("ingest"), stage.suite.person(), retries=False) as channel:
        cameras = CameraClient(channel)

        async def one() -> None:
            with suppress(Fault):
                [each async for each in cameras.cameras("essex")]

        async with holding(stage, "lock table ingest.cameras in access exclusive mode"):
            waiting = [asyncio.create_task(one()) for _ in range(3 * SEARCHES)]
            await stage.fires("PoolExhausted", instance=stage.suite.address("ingest", "metrics"))
        await asyncio.gather(*waiting)
        await stage.prometheus.ends("PoolExhausted")


async def reads_come_faster_than_they_are_stored(stage: Stage) -> None:
    async with restarted(stage, "store", GANTRY_STORE__QUEUE_READS="10"):
        await delivered(stage.suite, stage.feed)
        sending = [asyncio.create_task(_send_without_end(stage)) for _ in range(3)]
        try:
            async with holding(stage, "select from store.forces where force = 'essex' for update"):
                await stage.fires("QueueFills", force="essex")
        finally:
            for each in sending:
                each.cancel()
            await asyncio.wait(sending)
        await delivered(stage.suite, stage.feed)


async def a_day_waits_for_a_consumer(stage: Stage) -> None:
    verb = ("nas", "--force", "essex", *WHY)
    await gantry(stage.suite, "operator", "bridge", "destination", "pause", *verb)
    try:
        days_ago = ReadMaker(stage.feed).one(PLATE).captured_at.ToMicroseconds() - 3 * DAY_US
        await sent(stage.suite, stage.feed, 5, captured_at=days_ago)
        async with restarted(
            stage, "store", GANTRY_STORE__RETENTION_DAYS="1", GANTRY_STORE__RETENTION_INTERVAL_SECONDS="1"
        ):
            await stage.fires("DataPastItsTime", force="essex")
            await gantry(stage.suite, "operator", "bridge", "destination", "resume", *verb)
            await stage.prometheus.ends("DataPastItsTime")
    finally:
        with suppress(AssertionError):
            await gantry(stage.suite, "operator", "bridge", "destination", "resume", *verb)


async def the_disk_of_the_images_fills(stage: Stage) -> None:
    with small_disk(stage.folder) as disk:
        async with restarted(stage, "store", GANTRY_STORE__IMAGES=f"file://{disk}/images"):
            await stage.fires("DiskNearlyFull", disk="images")
            await sent(stage.suite, stage.feed, 400, plate_patch=JPEG)
            await eventually(
                lambda: stage.prometheus.ask("gantry:buffer_days_left:min"),
                within=60,
                what="a day has a size",
            )
            (disk / "ballast").write_bytes(bytes(_free(disk) - 3 * 4096))
            await stage.fires("BufferFills", disk="images", severity="page")
            (disk / "ballast").unlink()
            await stage.prometheus.ends("BufferFills")
    await delivered(stage.suite, stage.feed)


async def canaries_of_a_force_are_not_stored(stage: Stage) -> None:
    await stage.hears_canaries("essex")
    async with holding(stage, "select from store.forces where force = 'essex' for update"):
        await stage.fires("CanaryMissed", force="essex")
    await stage.prometheus.ends("CanaryMissed")
    await delivered(stage.suite, stage.feed)


async def the_canary_is_frozen(stage: Stage) -> None:
    await stage.hears_canaries("kent")
    with frozen(stage, "canary"):
        for force in ("essex", "kent"):
            await stage.prometheus.fires("CanaryAway", force=force)
    await stage.prometheus.ends("CanaryAway")


async def the_log_is_not_received(stage: Stage) -> None:
    [receiver] = psutil.Process(stage.suite.process(ARCHIVER).pid).children()
    receiver.suspend()
    try:
        await stage.fires("BackupArchiveLate", instance=stage.suite.address(ARCHIVER, "metrics"))
    finally:
        receiver.resume()
    await stage.prometheus.ends("BackupArchiveLate")


async def the_archive_is_away(stage: Stage) -> None:
    archive = stage.archive.folder
    away = archive.rename(archive.with_name("away"))
    try:
        await stage.fires("BackupFailing", instance=stage.suite.address(ARCHIVER, "metrics"))
    finally:
        away.rename(archive)
    await stage.prometheus.ends("BackupFailing")
    assert "no archive of Gantry: archive.json is missing" in stage.suite.process(ARCHIVER).log.read_text()


async def the_newest_base_copy_is_old(stage: Stage) -> None:
    """On the short scale 36 hours are 72 minutes. The archiver makes the next copy after 24 hours."""
    await stage.has_base_copy()
    newest = bases(stage.archive)[-1]
    manifest = newest.as_json() | {"ended_at": (newest.ended_at - timedelta(hours=2)).isoformat()}
    stage.archive.note("manifest.json", manifest, stage.archive.bases / newest.name)
    await stage.fires("BackupOld", instance=stage.suite.address(ARCHIVER, "metrics"))
    backup = stage.suite.settings.backup
    assert backup is not None
    await make_base(
        server_of(stage.suite.layout.folder), stage.archive, backup.keys(), home=stage.suite.layout.folder
    )
    await stage.prometheus.ends("BackupOld")


async def the_archiver_is_frozen(stage: Stage) -> None:
    with frozen(stage, ARCHIVER):
        await stage.fires("BackupAway")
    await stage.prometheus.ends("BackupAway")


async def a_certificate_comes_to_its_end(stage: Stage) -> None:
    """On the short scale 7 days are 5.6 hours, and a day is 48 minutes."""
    at = stage.suite.address("match", "metrics")
    async with restarted(stage, "match", **short_lived(stage, timedelta(hours=4))):
        await stage.fires("CertificateExpires", instance=at, file="certificate", severity="ticket")
        assert not await stage.prometheus.ask('ALERTS{alertname="CertificateExpires",severity="page"}')
    async with restarted(stage, "match", **short_lived(stage, timedelta(minutes=30))):
        await stage.fires("CertificateExpires", instance=at, file="certificate", severity="page")
    await stage.prometheus.ends("CertificateExpires")
    await delivered(stage.suite, stage.feed)


FAULTS: dict[Callable[[Stage], Awaitable[None]], set[str]] = {
    a_destination_is_frozen: {"DestinationFailing", "DestinationBehind", "DeliveryOld"},
    a_destination_forbids: {"DestinationRefuses"},
    a_destination_refuses_all_reads: {"DestinationStopped", "DeadLetters"},
    a_destination_is_paused: {"DestinationPaused"},
    match_is_frozen_while_hits_come: {
        *("AlertsLate", "ServiceAwayMatch", "AlertsSlow", "AlertsVerySlow", "LoopLate"),
    },
    ingest_is_frozen: {"ServiceAwayIngest", "ReadsNotStored"},
    store_and_bridge_are_frozen: {"ServiceAwayStore", "ServiceAwayNasBridge"},
    the_row_of_a_force_is_locked: {"AppendsRefused", "AppendsFailAtTheDoor", "DoorFailsBatches"},
    the_store_pauses_again_and_again: {"DoorSlow"},
    a_service_dies_three_times: {"ServiceRestarts"},
    a_right_in_the_database_is_missing: {"InternalErrors"},
    searches_wait_for_a_lock: {"SearchSlow", "SearchFails"},
    calls_wait_for_a_lock: {"PoolExhausted"},
    reads_come_faster_than_they_are_stored: {"QueueFills"},
    a_day_waits_for_a_consumer: {"DataPastItsTime"},
    the_disk_of_the_images_fills: {"DiskNearlyFull", "BufferFills"},
    canaries_of_a_force_are_not_stored: {"CanaryMissed"},
    the_canary_is_frozen: {"CanaryAway"},
    the_log_is_not_received: {"BackupArchiveLate"},
    the_archive_is_away: {"BackupFailing"},
    the_newest_base_copy_is_old: {"BackupOld"},
    the_archiver_is_frozen: {"BackupAway"},
    a_certificate_comes_to_its_end: {"CertificateExpires"},
}
"""Faults, and the alarms that each raises."""


async def test_each_alarm_has_its_fault() -> None:
    assert set.union(*FAULTS.values()) == set(project_rules(SHORT).names())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_a_fault_raises_its_alarms(
    suite: Suite, feed: EnrolledFeed, tmp_path: Path, fault: Callable[[Stage], Awaitable[None]]
) -> None:
    await delivered(suite, feed)
    async with prometheus(suite, tmp_path) as watching:
        await fault(Stage(suite, feed, watching, tmp_path))
        assert watching.seen == FAULTS[fault]


async def _send_without_end(stage: Stage) -> None:
    """Send reads one by one, whatever the door answers."""
    maker = ReadMaker(stage.feed)
    async with public_channel(stage.suite) as channel:
        while True:
            with suppress(Fault):
                await submit_reads(channel, stage.feed.token, [maker.one(PLATE) for _ in range(10)])
            await asyncio.sleep(0.05)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of a few megabytes. Skips the test where it cannot be mounted."""
    disk = folder / "disk"
    disk.mkdir()
    mounting = ("mount", "-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", str(disk))
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system needs privileges")
    try:
        yield disk
    finally:
        subprocess.run(("umount", "-l", str(disk)), capture_output=True, check=True)


def _free(disk: Path) -> int:
    found = subprocess.run(
        ("stat", "-f", "-c", "%a %S", str(disk)), capture_output=True, check=True, text=True
    ).stdout.split()
    return int(found[0]) * int(found[1])
