"""Answers calls of methods that the server does not have. gRPC's own answer is `Method not found!`."""

from __future__ import annotations

from typing import Any, Final, NoReturn, TypeAlias

import grpc

from chassis.draining import Draining
from chassis.identity import Call

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

_ANSWER: Final = (
    "this port has no such call; check the name of the service and method, the version of the contract, "
    "and the address"
)


class UnknownMethods(grpc.GenericRpcHandler):
    """Takes the calls that no other handler takes, so it is added last. `draining` is the server's."""

    def __init__(self, draining: Draining) -> None:
        self._draining = draining
        self._handler: Handler = grpc.stream_stream_rpc_method_handler(self._refuse)

    def service(self, _: grpc.HandlerCallDetails) -> Handler:
        """The handler of any method."""
        return self._handler

    async def _refuse(self, _: Any, context: Call) -> NoReturn:
        """Refuse the call, without a look at its messages and whoever makes it."""
        await self._draining.drain(context, known=False, both_ways=False)
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, _ANSWER)
