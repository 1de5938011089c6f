"""The command line and environment of each process, computed from settings, ports and files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from gantry.bridge.v1.bridge_pb2 import DESTINATION_IMAGES_BOTH, DestinationSettings

from chassis.settings import DatabaseSettings, TlsSettings
from suite.backup.settings import BackupSettings
from suite.environment import obeyed
from suite.layout import Layout
from suite.processes import Command
from suite.settings import SuiteSettings

SIMULATORS = ("nas", "nadc")
ARCHIVER = "archiver"
CANARY = "canary"
PORTS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("grpc", "public", "health", "metrics"),
    "store": ("grpc", "health", "metrics"),
    "match": ("grpc", "health", "metrics"),
    "nas_bridge": ("grpc", "health", "metrics"),
    "nas": ("grpc", "control"),
    "nadc": ("https", "control"),
    ARCHIVER: ("metrics",),
    CANARY: ("health", "metrics"),
}
LASTING_PORTS = ("nas.grpc", "nadc.https")
"""They never change while the folder exists, because destinations name them."""
_NADC_PATH = "/nadc/batches"


@dataclass(frozen=True)
class Plan:
    """Settings with the folders and ports chosen for them; `ports` is by names like ``ingest.grpc``."""

    settings: SuiteSettings
    layout: Layout
    ports: Mapping[str, int]

    def address(self, process: str, port: str = "grpc") -> str:
        """HOST:PORT of a process's port. KeyError for one it does not have."""
        return f"127.0.0.1:{self.ports[f'{process}.{port}']}"

    def service(self, process: str, tls: TlsSettings, database: DatabaseSettings) -> Command:
        """The command of a service's process: its first one, which has its name, or a further replica."""
        listen = {"GANTRY_GRPC__LISTEN": self.address(process)}
        return self._service(process, tls, {**listen, **database_environment(database)})

    def canary(self, tls: TlsSettings) -> Command:
        """The command of the canary, which takes no calls and has no database."""
        return self._service(CANARY, tls, no_database())

    def _service(self, process: str, tls: TlsSettings, more: Mapping[str, str]) -> Command:
        name = service_of(process)
        environment = {
            **self._chassis(process, tls),
            **more,
            **obeyed(os.environ, {**self._own(process), **self._traces(name)}),
            **self.settings.environment.get(name, {}),
            **self.settings.environment.get(process, {}),
        }
        return Command(process, f"services.{name}", environment=environment)

    def simulator(self, name: str, tls: TlsSettings) -> Command:
        """The command of a national service's simulator."""
        arguments = {
            "--state": self.layout.simulators / name,
            "--listen": self.address(name, PORTS[name][0]),
            "--control-listen": self.address(name, "control"),
            "--certificate": tls.certificate,
            "--key": tls.key,
            "--authority": tls.authority,
            "--port-file": self.layout.run / f"{name}.json",
            "--spans-file": self.layout.spans / f"{name}.jsonl",
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        return Command(name, f"simulators.{name}", words, self.settings.environment.get(name, {}))

    def archiver(self, backup: BackupSettings) -> Command:
        """The command of the process that archives the suite."""
        arguments = {
            "--home": self.layout.folder,
            "--port-file": self.layout.run / f"{ARCHIVER}.json",
            "--metrics-listen": self.address(ARCHIVER, "metrics"),
        }
        words = [str(word) for pair in arguments.items() for word in pair]
        return Command(ARCHIVER, "suite.backup", words, backup.environment())

    def _chassis(self, name: str, tls: TlsSettings) -> dict[str, str]:
        return {
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            "GANTRY_GRPC__HEALTH_LISTEN": self.address(name, "health"),
            "GANTRY_GRPC__PORT_FILE": str(self.layout.run / f"{name}.json"),
            "GANTRY_TELEMETRY__METRICS_LISTEN": self.address(name, "metrics"),
            "GANTRY_TELEMETRY__SPANS_FILE": str(self.layout.spans / f"{name}.jsonl"),
        }

    def _traces(self, service: str) -> dict[str, str]:
        if self.settings.traces_per_second is None:
            return {}
        sections = ("TELEMETRY", "INGEST") if service == "ingest" else ("TELEMETRY",)
        rate = str(self.settings.traces_per_second)
        return {f"GANTRY_{section}__TRACES_PER_SECOND": rate for section in sections}

    def _own(self, process: str) -> dict[str, str]:
        store = self.address("store")
        own = {
            "ingest": lambda: {
                "GANTRY_INGEST__STORE": store,
                "GANTRY_INGEST__PUBLIC_LISTEN": self.address(process, "public"),
            },
            "store": lambda: {"GANTRY_STORE__IMAGES": self.layout.images.absolute().as_uri()},
            "match": lambda: {"GANTRY_MATCH__STORE": store, "GANTRY_MATCH__INGEST": self.address("ingest")},
            "nas_bridge": lambda: {
                "GANTRY_BRIDGE__STORE": store,
                "GANTRY_BRIDGE__IDENTITIES": str(self.layout.identities),
            },
            CANARY: lambda: {
                "GANTRY_CANARY__STORE": store,
                "GANTRY_CANARY__INGEST": self.address("ingest"),
                "GANTRY_CANARY__DOOR": self.address("ingest", "public"),
                "GANTRY_CANARY__MATCH": self.address("match"),
            },
        }
        return own[service_of(process)]()

    def destination(self, name: str) -> DestinationSettings:
        """The destination that a national service's simulator is."""
        options = {
            "nas": lambda: {"target": self.address("nas")},
            "nadc": lambda: {"url": f"https://{self.address('nadc', 'https')}{_NADC_PATH}"},
        }
        return DestinationSettings(
            name=name, adapter=name, options=options[name](), images=DESTINATION_IMAGES_BOTH
        )


def replica_name(service: str, number: int) -> str:
    """The name of a further process of a service, such as ``store-2``."""
    return f"{service}-{number}"


def service_of(process: str) -> str:
    """The service that a process runs."""
    return process.partition("-")[0]


def port_names() -> list[str]:
    """All ports of a suite by name, in the order they are counted from a base port."""
    return [f"{process}.{port}" for process, ports in PORTS.items() for port in ports]


def migration(service: str, database: DatabaseSettings) -> Command:
    """The command that migrates a service's schema, as its owner."""
    name = f"{service}-migrate"
    return Command(name, f"services.{service}", ("migrate",), database_environment(database))


def no_database() -> dict[str, str]:
    """Leaves out the variables of our environment that name a database: the suite has its own."""
    return dict.fromkeys(
        (name for name in os.environ if name.upper().split("__")[0] == "GANTRY_DATABASE"), ""
    )


def database_environment(database: DatabaseSettings) -> dict[str, str]:
    """The variables that lead a service to its database, and to no other one."""
    return {
        **no_database(),
        "GANTRY_DATABASE__HOST": database.host,
        "GANTRY_DATABASE__PORT": str(database.port),
        "GANTRY_DATABASE__NAME": database.name,
        "GANTRY_DATABASE__USER": database.user,
        "GANTRY_DATABASE__PASSWORD_FILE": str(database.password_file),
        "GANTRY_DATABASE__AUTHORITY": str(database.authority or ""),
        "GANTRY_DATABASE__POOL_SIZE": str(database.pool_size),
    }
