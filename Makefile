# Everything from a bare checkout: Python 3.11, make, and the package registries.
# The live servers need Java 17, Maven and Go as well.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test live live-tools lint format coverage bench report schemas lock clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(STAMP) ## Build the environment in .venv

$(STAMP): requirements.lock pyproject.toml client/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Foretide needs Python 3.11 or later; $(PYTHON) is older. Try: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV) (a minute or two the first time)" >&2
	@# --no-deps: the lock is complete, and without it pip looks past a pin for a newer release
	@# wherever a package asks for another with an extra.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e client -e .
	@$(BIN)/python -m pip check --quiet --disable-pip-version-check
	@touch $@

demo: setup ## Watch an hour of LLM traffic be scaled, in about two minutes (ARGS="--json")
	@$(BIN)/foretide demo $(ARGS)

test: setup ## All tests; live ones only where their servers have been built
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	@# Live tests mostly wait, the others compute: side by side they take as long as the live ones.
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	  $(BIN)/python -m pytest -p no:cacheprovider tests/live --durations 5 >"$$log" 2>&1 & live=$$!; \
	  echo "the live tests run beside these; what they say follows" >&2; \
	  $(BIN)/python -m pytest tests --ignore tests/live; others=$$?; \
	  wait $$live; lives=$$?; cat "$$log"; exit $$((others > lives ? others : lives))
endif

live-tools: setup ## Build the real servers for the live tests (Kafka, Kubernetes; about 6 minutes)
	@$(BIN)/python -m lab.servers build

live: live-tools ## The live tests, on a real Kafka and a real Kubernetes control plane
	REQUIRE_LIVE=1 $(BIN)/python -m pytest tests/live $(ARGS)

lint: setup ## Style, types, and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff check client
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file client/pyproject.toml client/src
	$(BIN)/lint-imports

format: setup ## Put the code into shape
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

coverage: setup ## Tests with coverage by branch
	$(BIN)/python -m pytest --cov --cov-report=term --cov-report=html $(ARGS)

BENCHES := reaction throughput scale recovery soak chaos

bench: live-tools ## The benches one after the other, about an hour (BENCHES="reaction" for one)
	@set -e; for bench in $(BENCHES); do echo "== $$bench" >&2; $(BIN)/python bench/$$bench.py $(ARGS); done

report: setup ## Make docs/results.md again, about an hour of two cores (QUICK=1: one; TRACES=folder adds yours)
	@$(BIN)/python -m lab.results $(if $(QUICK),--quick) $(if $(TRACES),--traces "$(TRACES)") \
	  $(if $(HOURS),--hours $(HOURS)) $(if $(WEEKS),--weeks) $(ARGS)

schemas: setup ## Generate schemas/ from the code
	@$(BIN)/foretide schema --write schemas

lock: setup ## Resolve requirements.lock anew
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --group dev --generate-hashes --universal \
	  --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --no-emit-package foretide-client --no-header --quiet -o requirements.lock

clean: ## Remove what was built (not the live servers)
	rm -rf $(VENV) demo-out htmlcov .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis
