"""A folder on this machine, laid out like a suite's, with which people and tests reach the cluster."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from chassis.settings import TlsSettings
from cli.home import SuiteHome
from cli.links import Links
from suite.certificates import Authority
from suite.database import SERVICES
from suite.layout import Layout
from suite.plan import CANARY
from tests.k8s.cluster import Namespace

OPERATOR = "operator"
NATIONAL = ("nas", "nadc")
_PEOPLE, _SERVICES, _HEALTH, _CONTROL = 7001, 7000, 7002, 7080


class Home:
    """Certificates of every process and of one person, and the addresses of forwarded ports."""

    def __init__(self, folder: Path, forces: Sequence[str]) -> None:
        self.layout = Layout.of(folder)
        self.layout.make()
        self._authority = Authority(self.layout.pki)
        self.suite = SuiteHome(self.layout.folder)
        self.admit(forces)

    def admit(self, forces: Sequence[str]) -> None:
        """Let the operator work for these forces."""
        self._authority.issue_person(OPERATOR, forces)

    def service(self, name: str) -> TlsSettings:
        """The certificate of a service, by its name in the code."""
        return self._authority.issue_service(name, dns=(f"{kubernetes_name(name)}-vendors",))

    @property
    def authority(self) -> bytes:
        """The certificate of the authority that all of them trust, as PEM."""
        return self._authority.certificate.read_bytes()

    @property
    def tokens(self) -> bytes:
        """The tokens of the feeds that were enrolled from here, as the simulated cameras read them."""
        return (self.suite.secrets / "feed-tokens.json").read_bytes()

    def secrets(self) -> list[Mapping[str, Any]]:
        """The Secrets that the overlay expects: certificates, and passwords of the database's roles."""
        found = [_tls(name, self.service(name)) for name in (*SERVICES, CANARY, *NATIONAL)]
        for service in SERVICES:
            for suffix in ("database", "database-owner"):
                name = f"{kubernetes_name(service)}-{suffix}"
                found.append(secret(name, {"password": _password()}))
        superuser = {"username": b"postgres", "password": _password()}
        return [
            *found,
            {**secret("gantry-database-superuser", superuser), "type": "kubernetes.io/basic-auth"},
        ]

    @asynccontextmanager
    async def links(self, namespace: Namespace, person: str = OPERATOR) -> AsyncIterator[Links]:
        """Connections to all services as a person, for as long as their pods live."""
        async with AsyncExitStack() as opened:
            for service in SERVICES:
                name = kubernetes_name(service)
                forwarded = namespace.forwarded(f"service/{name}", _PEOPLE, _SERVICES, _HEALTH)
                people, services, health = await opened.enter_async_context(forwarded)
                self._note(service, grpc=people, services=services, health=health)
            links = Links(self.suite, self.suite.person(person), seconds=30.0)
            yield await opened.enter_async_context(links)

    @asynccontextmanager
    async def control(self, namespace: Namespace, simulator: str) -> AsyncIterator[str]:
        """The address of a national simulator's control port."""
        async with namespace.forwarded(f"deployment/{simulator}", _CONTROL) as (port,):
            yield f"127.0.0.1:{port}"

    def _note(self, service: str, **ports: int) -> None:
        told = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
        text = json.dumps({**told, "name": kubernetes_name(service)})
        (self.layout.run / f"{service}.json").write_text(text, encoding="utf-8")


def kubernetes_name(service: str) -> str:
    """A service's name in Kubernetes, which allows no underscore."""
    return service.replace("_", "-")


def secret(name: str, data: Mapping[str, bytes]) -> Mapping[str, Any]:
    """A Secret with these files."""
    coded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": coded}


def _password() -> bytes:
    return secrets.token_urlsafe(32).encode()


def _tls(service: str, files: TlsSettings) -> Mapping[str, Any]:
    content = {
        "tls.crt": files.certificate.read_bytes(),
        "tls.key": files.key.read_bytes(),
        "ca.crt": files.authority.read_bytes(),
    }
    return secret(f"{kubernetes_name(service)}-tls", content)
