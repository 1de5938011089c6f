"""Answers calls of methods that the server does not have. gRPC's own answer is `Method not found!`."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc

_ANSWER: Final = (
    "this port has no such call; check the name of the service and method, the version of the contract, "
    "and the address"
)


class UnknownMethods(grpc.GenericRpcHandler):
    """Takes the calls that no other handler takes, so it is added last."""

    def service(self, _: grpc.HandlerCallDetails) -> Any:
        """The handler of any method."""
        return _HANDLER


async def _refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    """Refuse the call, without a look at its messages and whoever makes it."""
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, _ANSWER)


_HANDLER: Final[grpc.RpcMethodHandler[Any, Any]] = grpc.stream_stream_rpc_method_handler(_refuse)
