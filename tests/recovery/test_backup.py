"""A lost site comes back from its archive: its newest state, or an earlier one less what was withdrawn."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyrage
import pytest

from reads.canary import CANARY, CANARY_VRM
from suite.backup.archive import Archive, sealed_in
from suite.backup.archiver import Archiver, site_id
from suite.backup.base import base_in, bases, make_base
from suite.backup.lsn import segment_named
from suite.backup.prune import prune
from suite.backup.restore import Wish, restore
from suite.backup.server import Server, server_of
from suite.backup.verify import verify
from suite.errors import SuiteError
from suite.layout import RESTORED, RESTORING, Layout
from suite.settings import SuiteSettings
from suite.suite import Suite
from tests.postgres_server import SMALL, throwaway_folder
from tests.recovery.site import Site, database_of, execute, running_site, until

pytestmark = pytest.mark.timeout(300)
OBJECT = "001945a3c2e00001"
OLD, NEW = "aa" * 32, "bb" * 32
OLD_CANARY, NEW_CANARY = "cc" * 32, "dd" * 32
TOKEN = "select encode(token_sha256, 'hex') from ingest.feeds where feed = 'gateway'"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    with throwaway_folder() as folder:
        async with running_site(folder) as running:
            await running.run(
                "select store.make_force('essex', 'Essex', gen_random_uuid(), array['match', 'nas'])"
            )
            await running.run(
                "insert into ingest.feeds (force, feed, token_sha256)"
                f" values ('essex', 'gateway', '\\x{OLD}'), ('essex', '{CANARY}', '\\x{OLD_CANARY}')"
            )
            await running.run(
                "insert into ingest.cameras (force, camera_id, feed, name, kind)"
                " values ('essex', 'a12', 'gateway', 'A12', 1)"
            )
            await load_hotlist(running, 1, "AB12CDE")
            yield running


async def test_the_archive_has_each_commit_before_the_time_that_it_reaches(site: Site) -> None:
    await site.run("create table public.marks (mark text)")
    archiver = site.archiver()
    running = asyncio.create_task(archiver.run())
    try:
        for number in range(8):  # each far smaller than a page of the log, which has 8 KiB
            mark = f"mark {number} {os.urandom(8).hex()}"
            await site.run(f"insert into public.marks values ('{mark}')")
            now: datetime = await site.run("select clock_timestamp()")
            await until(partial(reaches_past, archiver, now))
            assert any(mark.encode() in log for log in opened_log(site)), number
    finally:
        archiver.stop()
        await running


async def test_an_archive_whose_disk_is_not_mounted_is_not_begun_anew(site: Site) -> None:
    await site.archived()
    archive = site.archive.folder
    away = archive.rename(archive.with_name("away"))
    archive.mkdir()  # the folder on which it is mounted
    archiver = site.archiver()
    running = asyncio.create_task(archiver.run())
    try:
        await until(lambda: "holds no archive any more: mount it" in archiver.state.failing)
        assert not [*archive.iterdir()]
        archive.rmdir()
        away.rename(archive)
        await until(lambda: archiver.state.complete_to is not None and not archiver.state.failing)
    finally:
        archiver.stop()
        await running


def reaches_past(archiver: Archiver, moment: datetime) -> bool:
    reached = archiver.state.complete_to
    return reached is not None and reached > moment


def opened_log(site: Site) -> Iterator[bytes]:
    """The content of the archived segments and their parts."""
    for file in sealed_in(site.archive.wal):
        content = io.BytesIO()
        file.open_into(content, [site.identity])
        yield content.getvalue()


async def load_hotlist(site: Site, version: int, *plates: str, name: str = "stolen") -> None:
    """Import a list, as match does."""
    load = await site.run("select match.begin_lines('essex', interval '1 hour')")
    for line, plate in enumerate(plates):
        await site.run(
            f"insert into match.entries_{load} (load_no, folded_key, weed_at, line, priority, vrm, reason,"
            " markers, instruction) values ($1, $2, 'infinity', $2, 1, $3, 'stolen', '', '')",
            load,
            line,
            plate,
        )
    await site.run("select match.seal_lines($1, now())", load)
    await site.run(
        "insert into match.hotlists"
        " (force, name, version, load_no, near_matches, entries, activated_at, imported_by)"
        " values ('essex', $4, $1, $2, false, $3, now(), 'ana')"
        " on conflict (force, name) do update set version = excluded.version, load_no = excluded.load_no",
        version,
        load,
        len(plates),
        name,
    )


async def test_the_newest_state_comes_back_with_pictures_and_certificates(site: Site) -> None:
    site.picture(OBJECT, b"a patch and an overview")
    await site.archived()
    await site.run("insert into store.cameras (force_no, camera_id) values (1, 'after the copy')")
    late = site.picture("001945a3c2e00002", os.urandom(100_000))
    await site.archived()
    await site.postgres.lose()
    done, home = await site.restored()
    assert (done.at, done.objects, done.replayed.hotlists) == (None, 2, [])
    async with database_of(home) as postgres:
        assert await execute(postgres, "select array_agg(camera_id) from store.cameras") == ["after the copy"]
        assert await execute(postgres, TOKEN) == OLD
        for schema in ("store", "match"):
            assert "restored to" in await execute(postgres, f"select subject from {schema}.restoration")
    layout = Layout.of(home)
    assert (layout.images / "essex/2026-11-27" / OBJECT).read_bytes() == b"a patch and an overview"
    assert (layout.images / "essex/2026-11-27" / late.name).read_bytes() == late.read_bytes()
    assert (layout.pki / "ca.key").read_bytes() == (site.home / "pki/ca.key").read_bytes()
    assert not list(layout.secrets.iterdir())
    assert json.loads((home / RESTORED).read_text())["base"] == done.base.name


async def test_an_earlier_state_has_nothing_that_was_withdrawn_since(site: Site) -> None:
    await site.archived()
    at = await site.run("select clock_timestamp()")
    await site.run(
        f"update ingest.feeds set token_sha256 = '\\x{NEW}' where feed = 'gateway'",
    )
    await site.run(f"update ingest.feeds set token_sha256 = '\\x{NEW_CANARY}' where feed = '{CANARY}'")
    await site.run("update ingest.cameras set enabled = false")
    await site.run("update ingest.registry set version = version + 2")
    await load_hotlist(site, 2, "ZZ99ZZZ")
    await load_hotlist(site, 1, "YY88YYY", name="wanted")
    await site.run("select store.retire_force('essex')")
    await site.archived()
    await site.postgres.lose()
    done, home = await site.restored(at=at)
    replayed = done.replayed
    # The token of the canary is replayed too, but that is no news for people.
    assert (replayed.tokens, replayed.cameras, replayed.forces) == (1, 1, 1)
    assert replayed.hotlists == ["essex/stolen", "essex/wanted"]
    async with database_of(home) as postgres:
        assert await execute(postgres, TOKEN) == NEW
        assert await execute(postgres, TOKEN.replace("gateway", CANARY)) == NEW_CANARY
        assert not await execute(postgres, "select enabled from ingest.cameras")
        assert await execute(postgres, "select state from store.forces") == 2
        # The old entries raise nothing, the newer ones were not restored, and the next import is version 3.
        entries = "select array_agg(vrm) from match.entries join match.hotlists using (load_no)"
        assert await execute(postgres, entries) is None
        assert await execute(postgres, "select version from match.hotlists") == 2
        assert await execute(postgres, "select version from ingest.registry") > 3


async def test_the_canary_s_hotlist_keeps_its_entry(site: Site) -> None:
    """Nothing is withdrawn from it, and no person could import it again."""
    await load_hotlist(site, 1, CANARY_VRM, name=CANARY)
    await site.archived()
    at = await site.run("select clock_timestamp()")
    await load_hotlist(site, 2, CANARY_VRM, name=CANARY)
    await site.archived()
    await site.postgres.lose()
    done, home = await site.restored(at=at)
    assert done.replayed.hotlists == []
    async with database_of(home) as postgres:
        listed = "select (version, entries) from match.hotlists where name = $1"
        assert await execute(postgres, listed, CANARY) == (1, 1)


async def test_a_newer_state_than_the_archive_knew_stays(site: Site) -> None:
    """What stands is archived before the log: when the log has more, nothing is given back."""
    await site.archived()
    standing = {file.path.name: file.path.read_bytes() for file in sealed_in(site.archive.standing)}
    await site.run(f"update ingest.feeds set token_sha256 = '\\x{NEW}' where feed = 'gateway'")
    await site.run("update ingest.registry set version = version + 1")
    await load_hotlist(site, 2, "ZZ99ZZZ")
    await site.archived()
    for file in sealed_in(site.archive.standing):
        file.path.unlink()
    for name, content in standing.items():
        (site.archive.standing / name).write_bytes(content)
    await site.postgres.lose()
    done, home = await site.restored()
    assert (done.replayed.tokens, done.replayed.hotlists) == (0, [])
    async with database_of(home) as postgres:
        assert await execute(postgres, TOKEN) == NEW
        entries = "select array_agg(vrm) from match.entries join match.hotlists using (load_no)"
        assert await execute(postgres, entries) == ["ZZ99ZZZ"]


async def test_times_that_cannot_be_reached_are_refused(site: Site) -> None:
    with pytest.raises(SuiteError, match="no archive"):
        await site.restored()
    await site.archived()
    now = datetime.now(UTC)
    for at, words in ((now + timedelta(hours=1), "does not reach"), (now - timedelta(days=1), "before")):
        with pytest.raises(SuiteError, match=words):
            await site.restored(at=at)
    with pytest.raises(SuiteError, match="identity"):
        await restore(
            Wish(site.archive.folder, [pyrage.x25519.Identity.generate()], site.folder / "no"), lambda _: None
        )
    with pytest.raises(SuiteError, match="not empty"):
        await restore(Wish(site.archive.folder, [site.identity], site.home), lambda _: None)


async def test_a_restore_that_was_killed_starts_no_suite_and_is_repeated(site: Site) -> None:
    await site.archived()
    home = site.folder / "elsewhere"

    def give_up(sentence: str) -> None:
        if sentence.startswith("decrypting the pictures"):
            raise KilledError

    with pytest.raises(KilledError):
        await restore(Wish(site.archive.folder, [site.identity], home), give_up)
    assert (home / RESTORING).exists()
    with pytest.raises(SuiteError, match="has not ended"):
        await Suite(SuiteSettings(home)).__aenter__()
    await site.restored()
    assert not (home / RESTORING).exists()


async def test_verify_finds_what_is_damaged_or_missing(site: Site) -> None:
    picture = datetime.now(UTC).date().isoformat()
    site.picture(OBJECT, b"picture", day=picture)
    await site.archived()
    await site.run("select pg_switch_wal()")
    await site.run("create table filled as select generate_series(1, 900000)")
    await site.archived()
    assert verify(site.archive, 7, [site.identity]).wrong == []
    base = site.archive.bases / bases(site.archive)[0].name
    (data,) = (file for file in sealed_in(base) if file.stem == "data")
    whole = [file for file in sealed_in(site.archive.wal) if segment_named(file.stem)]
    (image,) = sealed_in(site.archive.images / "essex" / picture)
    for file, words in ((data, "base copy"), (whole[-1], "WAL"), (image, "pictures")):
        content = file.path.read_bytes()
        file.path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert [words in sentence for sentence in verify(site.archive, 7).wrong] == [True]
        file.path.write_bytes(content)
    for file, words in ((whole[-2], "not continuous"), (image, "is missing")):
        aside = site.folder / "aside"
        file.path.rename(aside)
        assert words in " ".join(verify(site.archive, 7, [site.identity]).wrong)
        aside.rename(file.path)
    assert verify(site.archive, 7, [site.identity]).ok


async def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(site: Site) -> None:
    site.archive.make()
    script = (
        "import pyrage, sys, time\n"
        "from pathlib import Path\n"
        "from suite.backup.archive import Archive\n"
        "class Endless:\n"
        "    def read(self, size=-1):\n"
        "        print('reading', flush=True)\n"
        "        time.sleep(0.01)\n"
        "        return b'x' * 65536\n"
        "archive = Archive(Path(sys.argv[1]))\n"
        "keys = [pyrage.x25519.Recipient.from_str(sys.argv[2])]\n"
        "with archive.drafted(archive.bases / '20261127T120000Z') as draft:\n"
        "    archive.put(draft, 'data', Endless(), keys)\n"
    )
    command = [sys.executable, "-c", script, str(site.archive.folder), site.settings.recipients[0]]
    await asyncio.to_thread(kill_amid, command)
    assert bases(site.archive) == []
    assert sealed_in(site.archive.wal) == []
    left = [
        place for place in site.archive.folder.rglob("*") if place.is_file() and place.name != "archive.json"
    ]
    assert left, "the test has to leave a draft"
    for place in [*left, *site.archive.bases.iterdir()]:
        os.utime(place, (time.time() - 7200, time.time() - 7200))
    site.archive.remove_old_drafts()
    assert not any(place.exists() for place in left)


async def test_a_full_disk_has_a_sentence_and_leaves_nothing(site: Site) -> None:
    small = site.folder / "archive"
    small.mkdir()
    if not privileged("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)):
        pytest.skip("mounting a small file system needs privileges")
    try:
        today = datetime.now(UTC).date().isoformat()
        picture = site.picture(OBJECT, os.urandom(2 << 20), day=today)
        os.utime(picture.parent, (time.time() - 60,) * 2)
        archiver = site.archiver()
        running = asyncio.create_task(archiver.run())
        await until(lambda: archiver.state.failing)
        assert "is full" in archiver.state.failing
        assert bases(site.archive) == []
        assert archiver.state.lag_seconds > 0
        # With room again, it goes on by itself.
        assert privileged("mount", "-o", "remount,size=200m", str(small))
        await until(lambda: not archiver.state.failing and bases(site.archive))
        assert [file.stem for file in sealed_in(site.archive.images / "essex" / today)] == [OBJECT]
        archiver.stop()
        await running
    finally:
        assert privileged("umount", "-l", str(small))


async def test_a_server_elsewhere_is_reached_by_its_password() -> None:
    with throwaway_folder() as folder:
        rules = folder / "pg_hba.conf"
        rules.write_text(
            "local all postgres peer map=suite\nlocal all all scram-sha-256\n"
            "host all backup 127.0.0.1/32 scram-sha-256\nhost replication backup 127.0.0.1/32 scram-sha-256\n"
        )
        rules.chmod(0o644)
        password = folder / "password"
        password.write_text("only for this test\n")
        async with running_site(folder, {**SMALL, "hba_file": str(rules)}, listen_tcp=True) as site:
            await site.run("create role backup superuser replication login password 'only for this test'")
            binaries = server_of(site.home).binaries
            server = Server("127.0.0.1", site.postgres.port, "backup", binaries, password)
            archiver = Archiver(server, site.settings, site.home)
            running = asyncio.create_task(archiver.run())
            await until(lambda: site.archive.bases.exists() and bases(site.archive))
            await until(lambda: archiver.state.complete_to is not None)
            archiver.stop()
            await running
            assert archiver.state.failing == ""
            assert verify(site.archive, 7, [site.identity]).wrong == []
            password.write_text("another\n")
            with pytest.raises(SuiteError, match="takes no connection of backup"):
                await make_base(server, site.archive, site.settings.keys(), home=site.home)


async def test_lost_wal_is_noticed_and_a_new_copy_is_made(site: Site) -> None:
    await site.archived()
    # While nobody archives, PostgreSQL is told to keep nothing for the archive.
    await site.run("select pg_drop_replication_slot('gantry_backup')")
    for _ in range(3):
        await site.run("create table if not exists x (y int)")
        await site.run("select pg_switch_wal()")
    await site.run("checkpoint")
    await site.archived(bases_wanted=2)
    gap = verify(site.archive, 7, [site.identity]).wrong
    assert len(gap) == 1, "only the older copy has a gap"
    assert bases(site.archive)[0].name in gap[0]
    done, home = await site.restored()
    assert done.base.name == bases(site.archive)[1].name
    async with database_of(home) as postgres:
        assert await execute(postgres, "select to_regclass('public.x') is not null")


async def test_two_sites_do_not_write_to_one_archive(site: Site) -> None:
    await site.archived()
    other = site.folder / "other"
    other.mkdir()
    site.archive.claim(site_id(other))
    archiver = site.archiver()
    running = asyncio.create_task(archiver.run())
    await until(lambda: "take-over" in archiver.state.failing)
    site.archive.claim(site_id(site.home))
    await until(lambda: not archiver.state.failing)
    archiver.stop()
    await running
    await site.archived()


async def test_a_restored_site_goes_on_in_the_same_archive(site: Site) -> None:
    await site.archived()
    await site.postgres.lose()
    _, home = await site.restored()
    site.archive.claim(site_id(home))
    async with database_of(home) as postgres:
        again = Site(site.folder, home, postgres, site.identity)
        await again.run("insert into store.cameras (force_no, camera_id) values (1, 'second life')")
        await again.archived(bases_wanted=2)
    assert verify(site.archive, 7, [site.identity]).wrong == []
    assert [base.timeline for base in bases(site.archive)] == [1, 2]
    _, third = await site.restored("third")
    async with database_of(third) as postgres:
        assert await execute(postgres, "select camera_id from store.cameras") == "second life"


async def test_backups_do_not_outlive_their_data(site: Site) -> None:
    now = datetime.now(UTC)
    old_day, young_day = ((now - timedelta(days=days)).date().isoformat() for days in (8, 2))
    old = site.picture(OBJECT, b"old", day=old_day)
    site.picture(OBJECT, b"young", day=young_day)
    await site.archived()
    await site.run("select pg_switch_wal()")
    await site.archived()
    first = bases(site.archive)[0]
    images = Layout.of(site.home).images
    assert prune(site.archive, 7, images).bases == ()
    assert len(sealed_in(site.archive.images / "essex" / old_day)) == 1, "it is still in the buffer"
    # Retention has deleted the day; the copy is a week old, and a younger one exists.
    old.unlink()
    old.parent.rmdir()
    age_base(site.archive, first.name, now - timedelta(days=7, seconds=1))
    for file in sealed_in(site.archive.wal)[:1]:
        os.utime(file.path, (now.timestamp() - 8 * 86_400,) * 2)
    done = prune(site.archive, 7, images)
    assert (done.bases, done.objects) == ((first.name,), 1)
    assert done.segments >= 1
    assert bases(site.archive) == []
    assert not (site.archive.images / "essex" / old_day).exists()
    assert len(sealed_in(site.archive.images / "essex" / young_day)) == 1
    # The archiver makes a new copy before anything else is asked of it.
    await site.archived()


async def test_a_missing_folder_of_pictures_deletes_no_picture_of_the_archive(site: Site) -> None:
    today = datetime.now(UTC).date().isoformat()
    site.picture(OBJECT, b"picture", day=today)
    await site.archived()
    images = Layout.of(site.home).images
    images.rename(site.folder / "unmounted")
    images.mkdir()
    assert prune(site.archive, 7, images).objects == 0
    assert len(sealed_in(site.archive.images / "essex" / today)) == 1


def privileged(*command: str) -> bool:
    """Run a command that needs rights; whether it did its work."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def kill_amid(command: list[str]) -> None:
    """Start a command, and kill it when it has told twenty times that it works."""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline() == b"reading\n"
        process.send_signal(signal.SIGKILL)


class KilledError(BaseException):
    """Stands for the end of the process."""


def age_base(archive: Archive, name: str, ended_at: datetime) -> None:
    """Make a base copy look as if it had ended earlier."""
    folder = archive.bases / name
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["ended_at"] = ended_at.isoformat()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert base_in(folder).ended_at == ended_at


def test_a_folder_of_something_else_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(SuiteError, match="no archive of Gantry"):
        Archive(tmp_path).make()
    with pytest.raises(SuiteError, match="no archive of Gantry"):
        Archive(tmp_path).require()
