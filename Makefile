# Sets up .venv, and calls the console command `assayline` and the checks. `make help` lists all.

CONFIG ?= configs/bbc-news.yaml
# The first Python 3.11 on the path; set PYTHON to use another.
PYTHON ?= $(shell for name in python3.11 python3 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	&& { echo "$$name"; break; }; done)

BIN := .venv/bin
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
# The tools of the audit have needs of their own, so they stand in an environment of their own.
AUDIT_BIN := .venv-audit/bin
AUDIT_READY := .venv-audit/.ready
AUDIT_TOOLS := pip-audit==2.10.1 bandit==1.9.4 cyclonedx-bom==7.5.0
# Three processes on two cores: most tests wait for servers. Tests of one file share those that they
# break, and the files run in the order of their names: those with servers first, so that none waits
# for one at the end. One process has all that use the whole stack (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder
NEW_EXAMPLES := --hypothesis-profile="new examples"
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# What check-gpu runs with: a Python 3.12 that has torch and transformers. It lacks some small
# packages, whose wheels are fetched where there is internet and travel with the checkout.
GPU_PYTHON ?= python3
GPU_WHEELS := benchmarks/gpu/wheels
GPU_PACKAGES := pydantic pydantic-core annotated-types typing-inspection pydantic-settings python-dotenv

.DEFAULT_GOAL := help
.PHONY: help run up down status test test-all attack mutants simulate audit sbom check check-gpu gpu-wheels \
	bench-data bench-training bench-evaluation bench-operation bench-methods bench-probes
MAKEFLAGS += --no-print-directory

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY)  ## Start the stack and retrain a line (CONFIG=configs/bbc-news.yaml).
	@$(BIN)/assayline up
	@$(BIN)/assayline run $(CONFIG)

up: $(READY)  ## Start the local servers and the worker.
	@$(BIN)/assayline up

down: $(READY)  ## Stop them; their data stays in .assayline/.
	@$(BIN)/assayline down

status: $(READY)  ## Show what runs, and which version holds which alias.
	@$(BIN)/assayline status

test: check  ## Check the code, then run all tests but the slow ones.
	@$(PYTEST) -m "not slow"

test-all: check  ## Check the code, then run all tests, the slow ones too.
	@$(PYTEST) $(NEW_EXAMPLES)

attack: $(READY_DEV)  ## Run every attack and fault of docs/security.md and docs/reliability.md (an hour).
	@$(PYTEST) $(NEW_EXAMPLES) tests/security tests/faults

mutants: $(READY_DEV)  ## Plant 350 mistakes where models are judged: do fast tests see them? (a quarter of an hour)
	@$(BIN)/python -m tests.mutation

simulate: $(READY_DEV)  ## Draw test rows from known worlds: how often does a gate pass falsely? (an hour and a half)
	@export OMP_NUM_THREADS=1; failed=0; \
	$(BIN)/python -m tests.simulation || failed=1; \
	$(BIN)/python -m tests.simulation.creep_worlds || failed=1; \
	$(BIN)/python -m tests.simulation.canary_worlds || failed=1; exit $$failed

audit: $(AUDIT_READY)  ## Audit the code and the pinned packages (ADVISORIES=all.zip: OSV's list).
	@$(AUDIT_BIN)/python -m tests.audit --tools $(AUDIT_BIN) \
		$(if $(ADVISORIES),--advisories $(ADVISORIES))

sbom: $(READY) $(AUDIT_READY)  ## Write what is installed as a CycloneDX list to sbom.cdx.json.
	@$(AUDIT_BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml \
		--mc-type application --output-reproducible --of JSON -o sbom.cdx.json
	@echo "$$(grep -c '"bom-ref"' sbom.cdx.json) components in sbom.cdx.json"

bench-data: $(READY_DEV)  ## Measure the data stages against their peers (half an hour).
	@$(BIN)/python -m benchmarks.data

bench-training: $(READY_DEV)  ## Measure training and tokenization against their peers (half an hour).
	@$(BIN)/python -m benchmarks.training

bench-evaluation: $(READY_DEV)  ## Measure evaluation and fairness against their peers (some minutes).
	@$(BIN)/python -m benchmarks.evaluation

bench-operation: $(READY_DEV)  ## Measure serving, scoring, runs, the store and the monitor (an hour or two).
	@$(BIN)/python -m benchmarks.operation

bench-probes: $(READY_DEV)  ## Measure what probes of a model cost, and what they find (some minutes).
	@$(BIN)/python -m benchmarks.probes

bench-methods: $(READY_DEV)  ## Measure compression, distillation, private training and sweeps (an hour and a half).
	@$(BIN)/python -m benchmarks.methods

check-gpu:  ## Check and measure the GPU here in eight minutes (GPU_PYTHON=python3); tiny on a CPU.
	@ls $(GPU_WHEELS)/*.whl >/dev/null 2>&1 || $(MAKE) gpu-wheels || true
	@$(GPU_PYTHON) -m benchmarks.gpu

gpu-wheels:  ## Fetch the packages that check-gpu needs on a machine without internet.
	@mkdir -p $(GPU_WHEELS)
	@$(GPU_PYTHON) -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 \
		--platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
		-c constraints.txt -d $(GPU_WHEELS) $(GPU_PACKAGES)

check: $(READY_DEV)  ## Lint, formatting, types and the arrows between the packages.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(READY): pyproject.toml constraints.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "error: Python 3.11 is needed and was not found; install it, or set PYTHON to it" >&2; \
		exit 1; fi
	@echo "installing into .venv (some minutes, once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP_INSTALL) -e .
	@touch $@

$(READY_DEV): $(READY)
	@$(PIP_INSTALL) -e '.[dev]'
	@touch $@

$(AUDIT_READY): Makefile
	@test -x $(AUDIT_BIN)/python || $(PYTHON) -m venv .venv-audit
	@$(AUDIT_BIN)/python -m pip install --quiet --disable-pip-version-check $(AUDIT_TOOLS)
	@touch $@
