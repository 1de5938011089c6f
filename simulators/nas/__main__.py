"""Run the simulated National ANPR Service."""

from simulators.nas.service import NAS
from simulators.national.running import run_simulator

if __name__ == "__main__":
    run_simulator(NAS)
