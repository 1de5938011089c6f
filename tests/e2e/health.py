"""What a process says about itself to a health check."""

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from suite.suite import Suite


async def is_serving(suite: Suite, process: str, *, seconds: float = 1.0) -> bool:
    """Whether a process says in time that it is serving."""
    async with grpc.aio.insecure_channel(suite.address(process, "health")) as channel:
        try:
            request = health_pb2.HealthCheckRequest()
            answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
