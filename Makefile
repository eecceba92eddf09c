# Rainer: `make` lists the targets. Everything is installed into .venv, at the versions of constraints.txt.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
# Many tests wait for servers: two a core keep the cores busy.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
TIMES ?= 1
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PINS := pyproject.toml constraints.txt

.PHONY: help run test java bench faults lint screenshots clean debian-test debian-bench debian-java npm-test

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS='...' is handed on (make test ARGS='-k feed -x'); PYTHON=python3.13 chooses the interpreter."

run: $(VENV)/.server ## serve a journal on http://127.0.0.1:8080, SQLite, nothing else needed (ARGS='--port 9000')
	@exec $(BIN)/rainer serve $(ARGS)

test: $(VENV)/.dev debian-test npm-test ## all tests but the benchmarks, on SQLite, PostgreSQL, MariaDB, ZooKeeper, object stores
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadgroup $(ARGS)

faults: $(VENV)/.dev debian-test ## the tests that kill and starve servers, TIMES=10 over, each time with another seed
	@for round in $$(seq $(TIMES)); do \
	    echo "Round $$round of $(TIMES)"; \
	    $(BIN)/python -m pytest tests/faults -rP $(ARGS) || exit 1; \
	done

java: debian-java ## the Java client, compiled and tested against Debian's jars, without Maven
	@$(PYTHON) -m tests.services.java_build $(ARGS)

bench: $(VENV)/.dev debian-bench ## the benchmarks: ratios in interleaved runs, with the machine's facts
	$(BIN)/python -m tests.benchmarks $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy, and known weaknesses of what is pinned
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict
	@PYTHON=$(BIN)/python .ci/audit $(VENV)/audit constraints.txt

screenshots: $(VENV)/.dev debian-test ## pictures of every web page into docs/screenshots, to be looked at
	$(BIN)/python -m tests.screenshots docs/screenshots $(ARGS)

clean: ## remove .venv and the caches; journals stay
	rm -rf $(VENV) build/java .pytest_cache .mypy_cache .ruff_cache .hypothesis

debian-test:
	@.ci/debian-packages postgresql mariadb-server default-jdk-headless libzookeeper-java libcurator-recipes-java \
	    libjackson2-databind-java junit5 strace chromium

debian-java:
	@.ci/debian-packages default-jdk-headless libzookeeper-java libcurator-recipes-java libjackson2-databind-java junit5

npm-test:
	@.ci/npm-packages $(VENV)/npm azurite@3.35.0

debian-bench:
	@.ci/debian-packages postgresql mariadb-server default-jdk-headless libzookeeper-java etcd-server wrk

# Stamps: an install is repeated only when what it installs has changed. The package itself is installed in place.
$(VENV)/.server: $(VENV)/.made $(PINS)
	@echo "Installing Rainer's server into $(VENV)."
	@$(PIP) --editable '.[server,postgresql,mysql,zookeeper,assets]'
	@touch $@

$(VENV)/.dev: $(VENV)/.made $(PINS)
	@echo "Installing Rainer with everything its tests need into $(VENV)."
	@$(PIP) --editable '.[all,dev]'
	@touch $@ $(VENV)/.server

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found: Rainer needs Python 3.11 or newer."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Rainer needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1)."; \
	    echo "With a newer one installed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/debian-packages python3-venv
	@$(PYTHON) -m venv $(VENV)
	@touch $@
