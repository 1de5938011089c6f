"""All of Gantry on one machine: starts it in order, and stops it in the reverse order."""

import asyncio
import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp

from chassis.settings import DatabaseSettings, TlsSettings
from suite.certificates import Authority
from suite.child import run_to_end
from suite.database import SERVICES, Roles, owner_role, prepare_database, runtime_role
from suite.disk import full_sentence, is_for_want_of_room, is_full
from suite.environment import told_of
from suite.errors import SuiteError
from suite.forces import active_forces, add_destinations, create_forces
from suite.layout import Layout
from suite.lock import FolderLock
from suite.logfile import last_lines, rotate
from suite.plan import (
    ARCHIVER,
    CANARY,
    LASTING_PORTS,
    PORTS,
    SIMULATORS,
    Plan,
    migration,
    port_names,
    replica_name,
    service_of,
)
from suite.ports import HeldPorts, assign
from suite.postgres import LocalPostgres
from suite.processes import Command, Process
from suite.settings import SuiteSettings
from suite.standby import Standby
from suite.steps import Phase, Step, Steps, read_step

T = TypeVar("T")
_ROTATE_SECONDS = 10.0
_CONTROL_SECONDS = 10.0
_log = logging.getLogger(__name__)


class Suite:
    """``async with Suite(settings) as suite:`` runs a suite. Leaving stops it and keeps its folder.

    A process that dies is restarted. Entering raises SuiteError when a process cannot start or the folder is
    in use. Leaving raises it when a process kept dying and was given up.
    """

    def __init__(self, settings: SuiteSettings, *, say: Callable[[str], None] = _log.info) -> None:
        """Nothing is started yet. `say` is called with short sentences about progress."""
        self.settings = settings
        self.layout = Layout.of(settings.folder)
        self._steps = Steps(self.layout.run, say)
        self._say = self._steps.say
        self._lock = FolderLock(self.layout.lock)
        self._ports = HeldPorts()
        self._roles = Roles(self.layout.secrets)
        self._processes: dict[str, Process] = {}
        self._watches: set[asyncio.Task[None]] = set()
        self._given_up: asyncio.Future[None] | None = None
        self._postgres: LocalPostgres | None = None
        self._standby: Standby | None = None
        self._authority: Authority | None = None
        self._plan: Plan | None = None
        self._forces = settings.forces
        self._hosts = ""

    async def __aenter__(self) -> Self:
        self.layout.require_restored()
        self.layout.make()
        self._take_the_folder()
        self.layout.forget_the_running()
        self._steps.begin(Phase.STARTING)
        try:
            await self._up()
            self._steps.begin(Phase.RUNNING)
        except BaseException as error:
            await self._leave()
            if is_for_want_of_room(error):
                raise SuiteError(
                    f"the suite cannot start, because {full_sentence(self.layout.folder)}"
                ) from error
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        failure = self._failure()
        await self._leave()
        if error is None and failure is not None:
            raise failure

    @property
    def plan(self) -> Plan:
        """The ports and settings in use."""
        return _up(self._plan)

    @property
    def postgres(self) -> LocalPostgres:
        """The database server. Tests may crash it; it is restarted."""
        return _up(self._postgres)

    @property
    def authority(self) -> Authority:
        """The authority that all processes trust. Cameras get the file `authority.certificate`."""
        return _up(self._authority)

    @property
    def processes(self) -> Mapping[str, Process]:
        """Services and simulators by name, in the order they were started."""
        return self._processes

    def process(self, name: str) -> Process:
        """A process by name; KeyError for one that this suite does not have."""
        return self._processes[name]

    def address(self, process: str, port: str = "grpc") -> str:
        """HOST:PORT of a process's port, such as ``address("ingest", "public")``; the same after restarts."""
        return self.plan.address(process, port)

    def person(self, name: str | None = None, forces: Sequence[str] | None = None) -> TlsSettings:
        """A person's certificate; by default the operator's, for all forces of the suite."""
        return self.authority.issue_person(
            name or self.settings.operator, self._forces if forces is None else forces
        )

    def service(self, name: str) -> TlsSettings:
        """A service's certificate, to call others as that service does."""
        return self.authority.issue_service(name)

    def database(self, service: str) -> DatabaseSettings:
        """Settings with which the service's runtime role connects."""
        settings = self._roles.settings(runtime_role(service), self.postgres.superuser())
        return settings.model_copy(update={"host": self._hosts}) if self._standby else settings

    async def promote_standby(self) -> None:
        """Make the standby the primary, after the loss of the first one. SuiteError when there is none."""
        standby = _up(self._standby)
        await standby.promote()
        self._postgres = standby.postgres

    async def add_replica(self, service: str, number: int = 2) -> Process:
        """Start another process of a service, ``SERVICE-NUMBER``: on other ports, over the same database."""
        name = replica_name(service, number)
        ports = {f"{name}.{port}": self._ports.another() for port in PORTS[service]}
        self._plan = replace(self.plan, ports={**self.plan.ports, **ports})
        await self._start(self._service(name))
        return self._processes[name]

    async def restart(self, process: str, environment: Mapping[str, str] | None = None) -> None:
        """Stop a service's or simulator's process, and start it again with these variables added to its
        environment.
        """
        command = self._command(process)
        await self._processes[process].stop()
        await self._start(replace(command, environment={**command.environment, **(environment or {})}))

    async def behave(self, simulator: str, wish: Mapping[str, object]) -> None:
        """Make a national simulator misbehave; an empty wish ends that. SuiteError when it refuses."""
        url = f"http://{self.address(simulator, 'control')}/behave"
        timeout = aiohttp.ClientTimeout(total=_CONTROL_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=dict(wish)) as answer,
        ):
            if answer.status != 200:
                raise SuiteError(f"{simulator} cannot behave like that: {await answer.text()}")

    async def watch(self) -> None:
        """Wait until a process is given up, and raise its SuiteError."""
        await asyncio.shield(_up(self._given_up))

    def end_now(self) -> None:
        """Kill all processes at once. Leaving the suite then only tidies up."""
        for process in self._processes.values():
            process.end_now()
        for postgres in self._servers():
            postgres.end_now()

    def _servers(self) -> list[LocalPostgres]:
        """Every PostgreSQL, the primary first."""
        first = [] if self._postgres is None else [self._postgres]
        standby = None if self._standby is None else self._standby.postgres
        return first if standby is None or standby in first else [*first, standby]

    def _take_the_folder(self) -> None:
        try:
            self._lock.take()
        except SuiteError:
            step = read_step(self.layout.run)
            if step is None:
                raise
            raise SuiteError(_in_use(self.layout.folder, step)) from None

    async def _up(self) -> None:
        self._given_up = asyncio.get_running_loop().create_future()
        self._plan = Plan(self.settings, self.layout, self._choose_ports())
        self._authority = Authority(self.layout.pki)
        self.person()
        self._postgres = LocalPostgres(
            self.layout.postgres, settings=self.settings.postgres, say=self._say, run=self.layout.run
        )
        self._say("starting PostgreSQL")
        await self._postgres.start()
        self._watch(self._postgres.supervise(), "postgres")
        self._watch(self._keep_logs_small(), "logs")
        await self._prepare()
        if self.settings.standby:
            await self._start_standby()
        self._tell_of_the_environment()
        self._say("starting the services")
        await self._start(self._service("store"))
        await _together(
            self._start(self._service(name)) for name in SERVICES if name != "store" and self._wanted(name)
        )
        if self.settings.canary:
            self._begin(self.plan.canary(self.service(CANARY)))
        await self._serve_forces()
        if self.settings.backup is not None:
            self._say(f"starting the archiver: backups go to {self.settings.backup.archive}")
            await self._start(self.plan.archiver(self.settings.backup))

    async def _serve_forces(self) -> None:
        """Create the forces of the settings. The operator also works for the forces that were added later."""
        self._say("creating forces and destinations")
        operator = self.person()
        await create_forces(self.plan, operator)
        active = await active_forces(self.plan, self.service("store"))
        await add_destinations(
            self.plan, operator, [force for force in self.settings.forces if force in active]
        )
        self._forces = tuple(dict.fromkeys((*self.settings.forces, *active)))
        self.person()

    async def _prepare(self) -> None:
        await prepare_database(self.postgres.superuser, self._roles)
        self._say("bringing the schemas up to date and starting the national simulators")
        simulators = (self.plan.simulator(name, self.service(name)) for name in self.settings.destinations)
        await _together(
            (
                *(self._migrate(service) for service in SERVICES),
                *(self._start(command) for command in simulators),
            )
        )
        for name, wish in self.settings.misbehaviour.items():
            await self.behave(name, wish)

    async def _start_standby(self) -> None:
        self._say("copying PostgreSQL into a synchronous standby")
        primary = self.postgres
        self._standby = Standby(self.layout.standby, primary, settings=self.settings.postgres, say=self._say)
        self._hosts = f"{primary.host},{self._standby.postgres.host}"
        await self._standby.start()
        self._watch(self._standby.postgres.supervise(), "standby")

    async def _migrate(self, service: str) -> None:
        owner = self._roles.settings(owner_role(service), self.postgres.superuser())
        command = migration(service, owner)
        log = self.layout.logs / f"{command.name}.log"
        if await run_to_end(command.line, log=log, environment=command.variables) != 0:
            raise SuiteError(
                f"the schema of {service} could not be brought up to date; "
                f"the end of {log}:\n{last_lines(log)}"
            )

    def _command(self, process: str) -> Command:
        if process in SIMULATORS:
            return self.plan.simulator(process, self.service(process))
        return self.plan.canary(self.service(CANARY)) if process == CANARY else self._service(process)

    def _service(self, name: str) -> Command:
        service = service_of(name)
        return self.plan.service(name, self.service(service), self.database(service))

    async def _start(self, command: Command) -> None:
        process = self._process_of(command)
        await process.start()
        self._watch(process.supervise(), command.name)

    def _begin(self, command: Command) -> None:
        """Start a process that nothing waits for."""
        process = self._process_of(command)
        process.begin()
        self._watch(process.supervise(), command.name)

    def _process_of(self, command: Command) -> Process:
        process = Process(
            command, logs=self.layout.logs, run=self.layout.run, say=self._say, excuse=self._excuse
        )
        self._processes[command.name] = process
        return process

    def _excuse(self) -> str:
        """Why every process dies at present, such as a full disk: deaths then do not count. Else empty."""
        if is_full(self.layout.folder):
            return full_sentence(self.layout.folder)
        return self._postgres.trouble() if self._postgres is not None else ""

    def _wanted(self, service: str) -> bool:
        return service != "nas_bridge" or bool(self.settings.destinations)

    def _choose_ports(self) -> dict[str, int]:
        before: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
            before = json.loads(self.layout.state.read_text())["ports"]
        ports = assign(
            port_names(), self._ports, base=self.settings.base_port, before=before, lasting=LASTING_PORTS
        )
        state = {"ports": ports, "forces": list(self.settings.forces)}
        _replace(self.layout.state, json.dumps(state, indent=2) + "\n")
        return ports

    def _tell_of_the_environment(self) -> None:
        """Which variables of ours are obeyed although the suite has a value of its own, and which are not."""
        names = [name for name in SERVICES if self._wanted(name)]
        commands = map(self._command, [*names, CANARY] if self.settings.canary else names)
        for sentence in told_of(os.environ, commands):
            self._say(sentence)

    def _watch(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"suite-{name}")
        self._watches.add(task)
        task.add_done_callback(self._watch_ended)

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        self._watches.discard(task)
        given_up = _up(self._given_up)
        if not task.cancelled() and (error := task.exception()) is not None and not given_up.done():
            given_up.set_exception(error)

    def _failure(self) -> BaseException | None:
        given_up = self._given_up
        return given_up.exception() if given_up is not None and given_up.done() else None

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(_ROTATE_SECONDS)
            for log in (self.postgres.home.log, *self.layout.logs.glob("*.log")):
                with contextlib.suppress(OSError):
                    rotate(log)

    async def _leave(self) -> None:
        """Stop everything. Cancelling kills what still runs; no process or lock is left in either case."""
        going, cancelled = asyncio.create_task(self._down(), name="suite down"), False
        while not going.done():
            try:
                await asyncio.shield(going)
            except asyncio.CancelledError:
                cancelled = True
                self.end_now()
        going.result()
        if cancelled:
            raise asyncio.CancelledError

    async def _down(self) -> None:
        """Stop ingest first and PostgreSQL last. Also works when the suite is half started."""
        self._steps.begin(Phase.STOPPING)
        self._say("stopping the services and PostgreSQL")
        for services in (
            ("ingest", CANARY),
            ("match", "nas_bridge"),
            ("store",),
            ("nas", "nadc", ARCHIVER),
        ):
            stopped = [each for name, each in self._processes.items() if service_of(name) in services]
            await asyncio.gather(*(process.stop() for process in stopped))
        for postgres in self._servers():
            await postgres.stop()
        for task in list(self._watches):
            task.cancel()
        await asyncio.gather(*self._watches, return_exceptions=True)
        self._failure()  # retrieved, so that asyncio does not log that nobody retrieved it
        self._ports.release()
        self._steps.end()
        self._lock.release()


def remembered_forces(folder: Path) -> tuple[str, ...]:
    """The forces with which the suite of a folder was started last; empty when there is none."""
    try:
        return tuple(json.loads(Layout.of(folder).state.read_text())["forces"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


async def erase(folder: Path) -> None:
    """Delete a suite's state, PostgreSQL's cluster included. It may not exist.

    SuiteError when a suite runs there, or when the folder holds something else.
    """
    layout = Layout.of(folder)
    if not layout.folder.exists() or not any(layout.folder.iterdir()):
        return
    if not layout.lock.exists():
        raise SuiteError(f"{folder} is not a suite's folder, so it is left alone: name another one")
    lock = FolderLock(layout.lock)
    lock.take()
    await LocalPostgres(layout.postgres).erase()
    shutil.rmtree(layout.folder)
    lock.release()


async def _together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all at once. The first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failed:
        raise next((each for each in failed.exceptions if isinstance(each, SuiteError)), failed) from None


def _up(value: T | None) -> T:
    if value is None:
        raise SuiteError("the suite is not running")
    return value


def _in_use(folder: Path, step: Step) -> str:
    theirs = f"{folder} is in use by the suite of process {step.pid}, which is {step.sentence}"
    if step.phase == Phase.STOPPING:
        return f"{theirs}. Wait for its end and start again, or choose another folder"
    return (
        f"{theirs}. `gantry status` shows it. End it with Ctrl-C where it runs or with `kill {step.pid}`, "
        "or choose another folder"
    )


def _replace(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.draft")
    draft.write_text(text)
    draft.replace(file)
