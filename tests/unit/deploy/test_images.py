"""Each image holds the code and the packages that its program imports, and no other service's."""

from __future__ import annotations

import re
from importlib.metadata import packages_distributions

import pytest

from tests.unit.deploy.dockerfile import (
    IMAGES,
    ROOMS,
    ROOT,
    SERVICES,
    distributions,
    extras_in,
    lineage,
    packages_imported,
    rooms_in,
    rooms_needed,
    shared,
    targets,
)

PROVIDERS = {
    module: {name.replace("_", "-").lower() for name in names}
    for module, names in packages_distributions().items()
}
SERVICE_IMAGES = {name.replace("_", "-"): name for name in SERVICES}
IMAGE_NAMES = sorted([*SERVICE_IMAGES, "command", "simulators"])


def test_each_service_has_a_target_and_build_sh_knows_all_of_them():
    assert sorted(targets()) == IMAGE_NAMES
    named = re.search(r"^NAMES=\((.*)\)$", (IMAGES / "build.sh").read_text(), re.MULTILINE)
    assert named is not None
    assert sorted(named[1].split()) == IMAGE_NAMES


@pytest.mark.parametrize(("image", "service"), SERVICE_IMAGES.items())
def test_an_image_of_a_service_starts_it_and_holds_no_other(image, service):
    assert targets()[image] == ["python", "-m", f"services.{service}"]
    assert rooms_in(image) == shared() | {f"services.{service}"}
    assert extras_in(image) == set()


def test_the_shared_rooms_are_those_that_some_service_needs():
    needed = {room for name in SERVICES for room in rooms_needed(f"services.{name}")}
    assert needed - {f"services.{name}" for name in SERVICES} == shared()


@pytest.mark.parametrize("image", IMAGE_NAMES)
def test_an_image_holds_every_room_that_its_rooms_import(image):
    rooms = rooms_in(image)
    assert {needed for room in rooms for needed in rooms_needed(room)} <= rooms


@pytest.mark.parametrize("image", IMAGE_NAMES)
def test_an_image_holds_every_package_that_its_rooms_import(image):
    installed = distributions(extras_in(image))
    unmet = {each for each in packages_imported(rooms_in(image)) if not PROVIDERS[each] & installed}
    assert not unmet, f"{unmet} are imported, but not among the dependencies of {image}"


def test_a_package_that_no_service_imports_belongs_to_an_extra():
    imported = packages_imported({room for image in SERVICE_IMAGES for room in rooms_in(image)})
    provided = {name for module in imported for name in PROVIDERS[module]}
    assert distributions(set()) <= provided


@pytest.mark.parametrize("image", IMAGE_NAMES)
def test_an_image_runs_as_a_user_without_rights(image):
    users = [user for stage in lineage(image) for user in stage.all("USER")]
    assert users == ["10001:10001"]


def test_the_build_context_takes_in_the_wheel_and_nothing_that_is_not_named():
    everything, *rules = [
        line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")
    ]
    assert everything == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    tops = {path.relative_to(ROOT).parts[0] for path in ROOMS.values()}
    files = {
        ".tools/images/uv",
        "deploy/images/install.sh",
        "LICENSE",
        "README.md",
        "pyproject.toml",
        "uv.lock",
    }
    assert allowed == tops | files
