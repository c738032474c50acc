# Every target sets up all that it needs: Python 3.11 or newer and make are enough.
# PYTHON chooses the interpreter, ARGS goes to the program:
#     make test PYTHON=python3.13 ARGS="-k late"

PYTHON ?= python3
ARGS ?=
# The browser that the tests drive.
CHROMIUM ?= chromium
export CHROMIUM

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-processes faults lint bench bench-peers fuzz mutants clean programs

help: ## print the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: $(INSTALLED) ## show the main job from beginning to end
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh $(ARGS)

test: $(INSTALLED) programs ## run the tests, on SQLite and on a real Postgres
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(INSTALLED) ## run only those that need no database and no process, in half a minute
	$(BIN)/python -m pytest -m fast $(ARGS)

test-processes: $(INSTALLED) ## run those of several processes, which are killed, stopped and crowded
	$(BIN)/python -m pytest -o addopts="-n 2" tests/concurrency tests/serving $(ARGS)

faults: $(INSTALLED) ## kill and hinder the program at every step, on both databases
	$(BIN)/python -m pytest -o addopts="-n 2" tests/faults $(ARGS)

lint: $(INSTALLED) ## check style, types, the directions of imports, the Dockerfile and the packages
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docs/deploy/Dockerfile
	$(BIN)/python -m tests.support.auditing

bench: $(INSTALLED) ## measure speed and memory
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-peers: $(INSTALLED) ## compare with the peers, and write docs/benchmarks.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	$(BIN)/python -m tests.benchmarks.peers $(ARGS)

fuzz: $(INSTALLED) ## let a fuzzer look for input that breaks something
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris -e '.[fuzz]' || { \
	  echo "The fuzzer, atheris, has no wheel for $$($(BIN)/python --version) on $$(uname -sm): it has some for Python 3.11 to 3.14 on Linux x86_64. Say which: make clean fuzz PYTHON=python3.11" >&2; exit 1; }
	@$(BIN)/python -m tests.fuzz $(ARGS)

mutants: $(INSTALLED) ## break the pure core on purpose, again and again: a test must notice each time
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutants]'
	$(BIN)/python -m tests.mutants $(ARGS)

clean: ## remove all that these targets made
	rm -rf $(VENV) build dist .fuzz mutants .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find projector replay migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

# What the tests need and pip does not bring: a browser, and curl, which the README asks with.
programs:
	@missing=; for each in "$(CHROMIUM)" curl; do \
	  command -v "$$each" >/dev/null || missing="$$missing $$each"; done; \
	test -z "$$missing" || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  echo "Installing$$missing by apt-get" >&2 && \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing </dev/null >/dev/null; \
	} || { \
	  echo "The tests need$$missing: on Debian, run: apt install$$missing. Another browser of Chromium's family: make test CHROMIUM=/its/path" >&2; exit 1; }

$(INSTALLED): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) is not here: install Python 3.11 or newer, or say which: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1): Python 3.11 or newer is needed. Say which: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: on Debian or Ubuntu, run: apt install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), which takes about a minute the first time" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
