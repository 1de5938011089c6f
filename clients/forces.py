"""The client of forces: create, list, change, retire."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid4

import grpc
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.forces_pb2 import (
    ChangeForceRequest,
    CreateForceRequest,
    Force,
    ForceSettings,
    ListForcesRequest,
    RetireForceRequest,
)
from gantry.store.v1.forces_pb2_grpc import ForceServiceStub

from clients.answer import answer_of

DEADLINE_SECONDS: Final = 10.0


class ForceClient:
    """Calls the store with the certificate that opened `channel`. Every method raises Fault."""

    def __init__(self, channel: grpc.aio.Channel, *, deadline: float = DEADLINE_SECONDS) -> None:
        self._stub = ForceServiceStub(channel)
        self._deadline = deadline

    async def create(
        self,
        force: str,
        *,
        name: str = "",
        consumers: Iterable[str] = (),
        request_id: UUID | None = None,
    ) -> Force:
        """Create a force. To repeat a call, pass the same `request_id`. Raises AlreadyExists FORCE_EXISTS."""
        request = CreateForceRequest(
            force=force, name=name, consumers=consumers, request_id=str(request_id or uuid4())
        )
        return (await answer_of(self._stub.CreateForce(request, timeout=self._deadline))).force

    async def forces(self, *, include_retired: bool = False) -> list[Force]:
        """The forces that the caller works for, by code. A service gets all forces."""
        request = ListForcesRequest(include_retired=include_retired)
        return list((await answer_of(self._stub.ListForces(request, timeout=self._deadline))).forces)

    async def change(self, force: str, settings: ForceSettings, purpose: Purpose) -> Force:
        """Replace the settings of a force. Raises NotFound FORCE_UNKNOWN, InvalidInput SETTINGS_INVALID."""
        request = ChangeForceRequest(force=force, purpose=purpose, settings=settings)
        return (await answer_of(self._stub.ChangeForce(request, timeout=self._deadline))).force

    async def retire(self, force: str, purpose: Purpose) -> Force:
        """Retire a force. This cannot be undone. Raises NotFound FORCE_UNKNOWN."""
        request = RetireForceRequest(force=force, purpose=purpose)
        return (await answer_of(self._stub.RetireForce(request, timeout=self._deadline))).force
