# Everything runs in .venv, which the first target that needs it sets up.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

# No program we call reports home.
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_DISABLE_TELEMETRY := 1

# Tests run in so many processes; `make test TEST_WORKERS=0` runs them in one.
TEST_WORKERS ?= 2

# Data sets for the tests that need more than the bundled one.
ifneq ($(wildcard ../shared/data),)
export PACELINE_DATA ?= $(abspath ../shared/data)
endif

# Torch goes first, alone: it is by far the largest, and whichever build of that version the index
# offers (CPU or CUDA) then stays.
define install
$(PYTHON) -m venv .venv
$(PIP) install -c constraints.txt "$$(grep '^torch==' constraints.txt)"
$(PIP) install -c constraints.txt -e '.[$(1)]'
endef

.DEFAULT_GOAL := help
.PHONY: help demo check test reproduce bench fuzz clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-10s %s\n", $$1, $$2}' Makefile

demo: .venv/.sim  ## set up, run the quickstart scenario, print the comparison
	$(BIN)/paceline run quickstart

check: .venv/.installed  ## lint, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

test: .venv/.installed  ## set up and pass the tests
	$(BIN)/pytest --numprocesses $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

reproduce: .venv/.installed  ## repeat published results (long)
	$(BIN)/python -m benchmarks.reproduce

bench: .venv/.installed  ## measure speed, and codecs
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.engines --compiled
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.training_accuracy
	$(BIN)/python -m benchmarks.breakdown
	$(BIN)/python -m benchmarks.scale
	$(BIN)/python -m benchmarks.nodes
	$(BIN)/python -m benchmarks.gpu --if-there
	$(BIN)/python -m benchmarks.codecs

fuzz: .venv/.installed  ## try forged payloads on every codec (long)
	$(BIN)/python -m benchmarks.fuzz

clean:  ## remove build artefacts and caches; results and .venv stay
	rm -rf build dist *.egg-info *.fab .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o -name __pycache__ -prune -exec rm -r {} +

# The stamps. A full environment serves the demo too.
.venv/.sim: pyproject.toml constraints.txt
	$(call install,sim)
	touch $@

.venv/.installed: pyproject.toml constraints.txt
	$(call install,sim$(comma)llm$(comma)native$(comma)dev)
	touch .venv/.sim $@

comma := ,
