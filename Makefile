# Every target installs what it needs; only Python 3.11 or newer and make must be there.
# PYTHON is the interpreter for the virtual environment, ARGS are arguments for the program:
#     make test PYTHON=python3.13 ARGS="-k late"

PYTHON ?= python3
ARGS ?=
# The browser for the browser tests.
CHROMIUM ?= chromium
export CHROMIUM
# Debian's package of Java for Spark; where only newer ones are: JAVA=openjdk-21-jre-headless.
JAVA ?= openjdk-17-jre-headless

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
# The vendor's published API description (OpenAPI), which is not copied into the project.
OPENAPI ?=
PRISM := .prism/installed

.DEFAULT_GOAL := help
.PHONY: help demo console pictures test test-fast test-browser test-processes test-server test-spark test-vendor faults lint pages bench bench-peers bench-scale fuzz mutants clean programs description

help: ## print the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile

demo: $(INSTALLED) ## demonstrate ingest, query and rebuild
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/demo.sh $(ARGS)

console: $(INSTALLED) ## show the console with a made-up shop, at http://127.0.0.1:8000/console/
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh docs/console.sh $(ARGS)

test: $(INSTALLED) programs ## run the tests, on SQLite and on a real Postgres
	$(BIN)/python -m pytest $(ARGS)

test-fast: $(INSTALLED) ## run the tests that need no database and no process, in less than a minute
	$(BIN)/python -m pytest -m fast $(ARGS)

test-server: $(INSTALLED) programs ## run the tests of the HTTP server and its console
	$(BIN)/python -m pytest -o addopts="-n 3" tests/server $(ARGS)

test-browser: $(INSTALLED) programs ## run the tests of the pages in a real browser
	$(BIN)/python -m pytest -o addopts="-n 2" tests/browser $(ARGS)

test-processes: $(INSTALLED) ## run the tests with several processes: concurrency, kills, load; and those that search files for erased texts
	$(BIN)/python -m pytest -o addopts="-n 2" tests/concurrency tests/serving tests/forensic $(ARGS)

test-spark: $(INSTALLED) programs ## run the tests of rebuilds on a real Spark cluster
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[spark,dev]'
	$(BIN)/python -m pytest -o addopts="-n 0" -o timeout=900 tests/spark $(ARGS)

test-vendor: description $(INSTALLED) programs $(PRISM) ## run the tests against a mock server of the vendor's API; OPENAPI is its description
	OPENAPI="$(abspath $(OPENAPI))" $(BIN)/python -m pytest -o addopts="-n 0" tests/prism $(ARGS)

faults: $(INSTALLED) ## run the fault injection tests: a kill or error at every step, on both databases
	$(BIN)/python -m pytest -o addopts="-n 2" tests/faults $(ARGS)

lint: $(INSTALLED) ## check style, types, import rules, the Dockerfile and known vulnerabilities
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docs/deploy/Dockerfile
	$(BIN)/python -m tests.support.auditing

pages: $(INSTALLED) programs ## run the code of README.md and docs/, and record what it prints there
	$(BIN)/python -m tests.support.pages --update $(ARGS)

pictures: $(INSTALLED) programs ## take the pictures of the console in docs/console
	$(BIN)/python -m tests.support.pictures $(ARGS)

bench: $(INSTALLED) ## measure speed and memory
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@$(BIN)/python -m compileall -q projector replay # as pip does when it installs a wheel
	$(BIN)/python -m tests.benchmarks $(ARGS)

bench-scale: $(INSTALLED) programs ## measure archives and rebuilds on Spark, and write docs/scale.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench,spark]'
	@$(BIN)/python -m compileall -q projector replay # as pip does when it installs a wheel
	$(BIN)/python -m tests.benchmarks --only scale $(ARGS)

bench-peers: $(INSTALLED) ## run the benchmarks against other tools, and write docs/benchmarks.md
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[peers]'
	@$(BIN)/python -m compileall -q projector replay # as pip does when it installs a wheel
	$(BIN)/python -m tests.benchmarks.peers $(ARGS)

fuzz: $(INSTALLED) ## run the fuzzer
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris -e '.[fuzz]' || { \
	  echo "The fuzzer, atheris, has no wheel for $$($(BIN)/python --version) on $$(uname -sm): it has some for Python 3.11 to 3.14 on Linux x86_64. Say which: make clean fuzz PYTHON=python3.11" >&2; exit 1; }
	@$(BIN)/python -m tests.fuzz $(ARGS)

mutants: $(INSTALLED) ## run mutation testing of the pure modules
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[mutants]'
	$(BIN)/python -m tests.mutants $(ARGS)

clean: ## remove everything that these targets created
	rm -rf $(VENV) .prism build dist .fuzz mutants .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find projector replay migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Programs for the tests that pip cannot install: curl for the README's examples, a connection pooler
# for Postgres, which Debian puts where only root looks, a browser, Java 17 or newer for Spark, and
# Node.js's package manager.
PROGRAMS := curl pgbouncer
test-browser pictures: PROGRAMS := "$(CHROMIUM)"
test-spark bench-scale: PROGRAMS := $(JAVA)
test-vendor: PROGRAMS := npm
programs:
	@missing=; PATH="$$PATH:/usr/sbin"; for each in $(PROGRAMS); do \
	  case "$$each" in \
	    openjdk-*) "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | \
	      grep -Eq 'version "(1[7-9]|[2-9][0-9])' ;; \
	    *) command -v "$$each" >/dev/null ;; \
	  esac || missing="$$missing $$each"; done; \
	test -z "$$missing" || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  echo "Installing$$missing by apt-get" >&2 && \
	  apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing </dev/null >/dev/null; \
	} || { \
	  echo "The tests need$$missing: on Debian, run: apt install$$missing. Another browser of Chromium's family: make test-browser CHROMIUM=/its/path" >&2; exit 1; }

description:
	@test -n "$(OPENAPI)" && test -f "$(OPENAPI)" || { \
	  echo "The vendor's API description is not in the project. Say where it is: make test-vendor OPENAPI=FILE" >&2; exit 1; }

$(PRISM): tests/prism/package-lock.json
	@mkdir -p $(@D)
	@cp tests/prism/package.json tests/prism/package-lock.json $(@D)
	@cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

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
