"""Run the simulated old national data centre."""

from simulators.nadc.service import open_door
from simulators.national.options import read_options
from simulators.national.running import run_simulator

if __name__ == "__main__":
    run_simulator(
        read_options("python -m simulators.nadc", "A simulated national data centre (XML over HTTPS)."),
        "https",
        open_door,
    )
