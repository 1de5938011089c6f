"""Whether a pod reaches a port of another one, as the network policies let it."""

from __future__ import annotations

from tests.k8s.cluster import Namespace

_TRY = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=4).close()
except OSError as error:
    print("no:", type(error).__name__)
else:
    print("yes")
"""


async def reaches(namespace: Namespace, pod: str, host: str, port: int) -> bool:
    """Whether a TCP connection from the pod opens."""
    answer = await namespace.execute(pod, "python", "-c", _TRY, host, str(port))
    assert answer.startswith(("yes", "no:")), answer
    return answer.startswith("yes")


async def address_of(namespace: Namespace, name: str) -> str:
    """The IP address of a pod, so that no name has to be looked up."""
    pod = (await namespace.pods(name))[0]
    return str((await namespace.get("pod", pod))["status"]["podIP"])
