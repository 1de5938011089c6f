"""Run the simulated old national data centre."""

from simulators.nadc.service import NADC
from simulators.national.running import run_simulator

if __name__ == "__main__":
    run_simulator(NADC)
