"""The state of a suite with one frozen process: its own part is missing, those of the others are there."""

import signal

import pytest

from cli.home import SuiteHome
from cli.links import Links
from cli.panel.observe import PATIENCE_SECONDS, Observer
from cli.panel.state import BRIDGE, MATCH, STORE
from tests.e2e.machine import fresh_suite

pytestmark = pytest.mark.timeout(240)

TOLD_BY = {"store": {STORE}, "match": {MATCH}, "nas_bridge": {BRIDGE}, "ingest": set(), "nas": set()}
"""The parts that only this process can tell."""


async def test_one_frozen_process_hides_only_what_it_alone_knows() -> None:
    async with fresh_suite("essex", "kent") as suite:
        home = SuiteHome(suite.layout.folder)
        for name, parts in TOLD_BY.items():
            suite.process(name).send(signal.SIGSTOP)
            try:
                async with Links(home, home.person(None), seconds=PATIENCE_SECONDS) as links:
                    state = await Observer(links, links.person.forces).look()
            finally:
                suite.process(name).send(signal.SIGCONT)
            states = {process.name: process.state for process in state.processes}
            assert states[name] == "frozen", states
            assert states["postgres"] == "serving", states
            for force in state.forces:
                silent = {part for part, why in force.missing.items() if why.startswith("no answer for")}
                assert silent == parts, (name, force.missing)
                assert bool(force.destinations) is (name != "nas_bridge")
            assert not state.ok
            await suite.process(name).ready()
