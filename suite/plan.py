"""What each process of a suite is told: pure, from settings, ports and files to command lines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.settings import DatabaseSettings, TlsSettings
from suite.layout import Layout
from suite.processes import Command
from suite.settings import SuiteSettings

SIMULATORS = ("nas", "nadc")
PORTS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("grpc", "public", "health", "metrics"),
    "store": ("grpc", "health", "metrics"),
    "match": ("grpc", "health", "metrics"),
    "nas_bridge": ("grpc", "health", "metrics"),
    "nas": ("grpc", "control"),
    "nadc": ("https", "control"),
}
_NADC_PATH = "/nadc/batches"


@dataclass(frozen=True)
class Plan:
    """Settings with everything that was chosen or made for them; `ports` by names like ``ingest.grpc``."""

    settings: SuiteSettings
    layout: Layout
    ports: Mapping[str, int]

    def address(self, process: str, port: str = "grpc") -> str:
        """HOST:PORT of a process's port. KeyError for one it does not have."""
        return f"127.0.0.1:{self.ports[f'{process}.{port}']}"

    def service(self, name: str, tls: TlsSettings, database: DatabaseSettings) -> Command:
        """How to run a service."""
        environment = {
            **self._chassis(name, tls),
            **database_environment(database),
            **self._own(name),
            **self.settings.environment.get(name, {}),
        }
        return Command(name, f"services.{name}", environment=environment)

    def simulator(self, name: str, tls: TlsSettings) -> Command:
        """How to run a national service's simulator."""
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

    def _chassis(self, name: str, tls: TlsSettings) -> dict[str, str]:
        rate = self.settings.traces_per_second
        return {
            "GANTRY_TLS__CERTIFICATE": str(tls.certificate),
            "GANTRY_TLS__KEY": str(tls.key),
            "GANTRY_TLS__AUTHORITY": str(tls.authority),
            "GANTRY_GRPC__LISTEN": self.address(name),
            "GANTRY_GRPC__HEALTH_LISTEN": self.address(name, "health"),
            "GANTRY_GRPC__PORT_FILE": str(self.layout.run / f"{name}.json"),
            "GANTRY_TELEMETRY__METRICS_LISTEN": self.address(name, "metrics"),
            "GANTRY_TELEMETRY__SPANS_FILE": str(self.layout.spans / f"{name}.jsonl"),
            **({} if rate is None else {"GANTRY_TELEMETRY__TRACES_PER_SECOND": str(rate)}),
        }

    def _own(self, name: str) -> dict[str, str]:
        store, forces = self.address("store"), ",".join(self.settings.forces)
        own = {
            "ingest": {
                "GANTRY_INGEST__STORE": store,
                "GANTRY_INGEST__PUBLIC_LISTEN": self.address("ingest", "public"),
            },
            "store": {
                "GANTRY_STORE__IMAGES": self.layout.images.absolute().as_uri(),
                "GANTRY_STORE__REQUIRED_CONSUMERS": ",".join(("match", *self.settings.destinations)),
            },
            "match": {"GANTRY_MATCH__STORE": store, "GANTRY_MATCH__FORCES": forces},
            "nas_bridge": {
                "GANTRY_BRIDGE__STORE": store,
                "GANTRY_BRIDGE__FORCES": forces,
                "GANTRY_BRIDGE__DESTINATIONS": json.dumps(self._destinations()),
            },
        }
        return own[name]

    def _destinations(self) -> list[dict[str, str]]:
        known = {
            "nas": {"name": "nas", "adapter": "nas", "target": self.address("nas")},
            "nadc": {
                "name": "nadc",
                "adapter": "nadc",
                "url": f"https://{self.address('nadc', 'https')}{_NADC_PATH}",
            },
        }
        return [known[name] for name in self.settings.destinations]


def port_names() -> list[str]:
    """All ports of a suite by name, in the order they are counted from a base port."""
    return [f"{process}.{port}" for process, ports in PORTS.items() for port in ports]


def migration(service: str, database: DatabaseSettings) -> Command:
    """How to bring a service's schema up to date, as its owner."""
    name = f"{service}-migrate"
    return Command(name, f"services.{service}", ("migrate",), database_environment(database))


def database_environment(database: DatabaseSettings) -> dict[str, str]:
    """The variables that lead a service to its database."""
    return {
        "GANTRY_DATABASE__HOST": database.host,
        "GANTRY_DATABASE__PORT": str(database.port),
        "GANTRY_DATABASE__NAME": database.name,
        "GANTRY_DATABASE__USER": database.user,
        "GANTRY_DATABASE__PASSWORD_FILE": str(database.password_file),
        "GANTRY_DATABASE__POOL_SIZE": str(database.pool_size),
    }
