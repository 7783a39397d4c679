# Ownstream. `make run` starts it, `make test` tests it; both need only Python 3.11 or later.
PYTHON ?= python3
BIN := .venv/bin
HOST ?= 127.0.0.1
PORT ?= 8000
TESTS ?=
export HOST PORT
# pytest is run as a module: the checkout must be on the path before its plugins load.

.PHONY: help run clients test check bench environment dev-environment lock clean

help:
	@echo "make run     start everything on this machine and print the address (HOST, PORT)"
	@echo "make clients install the official Delta Sharing client, as a buyer would, in .venv-clients"
	@echo "make test    run every test (TESTS=tests/ledger for a part)"
	@echo "make check   style, types, import order, migrations, production settings"
	@echo "make bench   measure the hot paths"
	@echo "make lock    compile the lock files anew"
	@echo "make clean   remove the environments and everything that runs wrote"

environment:
	@$(PYTHON) marketplace/embedded/bootstrap.py

dev-environment:
	@$(PYTHON) marketplace/embedded/bootstrap.py --dev --clients
	@$(BIN)/python -m marketplace.embedded.browser

run: environment
	@exec $(BIN)/python -m marketplace.embedded.supervisor

clients:
	@$(PYTHON) marketplace/embedded/bootstrap.py --clients

test: dev-environment
	@exec $(BIN)/python -m pytest -n 2 $(TESTS)

check: dev-environment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy marketplace ledger devices tests bench
	$(BIN)/python -m marketplace.embedded.deploy_check

bench: dev-environment
	@exec $(BIN)/python -m bench

# One lock to run, one to develop, one for outside clients. No index address gets into them.
# Versions stay as they are where they can; make lock UPGRADE=--upgrade takes the newest.
UV ?= $(or $(shell command -v uv),var/cache/uv/bin/uv)
UPGRADE ?=
COMPILE = $(UV) pip compile $(UPGRADE) --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate
lock: environment
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) requirements-clients.in -o requirements-clients.lock

# As root the servers keep their data below SHARED, in a folder that var/services.name names.
SHARED := /var/lib/ownstream
clean:
	@name=$$(cat var/services.name 2>/dev/null); case "$$name" in ''|*[!0-9a-f-]*) ;; *) rm -rf "$(SHARED)/$$name" ;; esac
	rm -rf .venv .venv-clients var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
