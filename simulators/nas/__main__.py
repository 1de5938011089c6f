"""Run the simulated National ANPR Service."""

from simulators.nas.service import open_door
from simulators.national.options import read_options
from simulators.national.running import run_simulator

if __name__ == "__main__":
    run_simulator(
        read_options("python -m simulators.nas", "A simulated National ANPR Service (gRPC)."),
        "grpc",
        open_door,
    )
