# Every target does its own set-up. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

BIN := .venv/bin
export PYTHON ?= python3

.PHONY: help setup servers cluster test lint types imports unit integration simulation demo bench docs proto lock clean

help:  ## This list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | while IFS=$$'\t' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

setup:  ## Virtual environment at .venv, packages, compiled kernel
	@scripts/setup.sh

servers: setup
	@scripts/setup.sh redis

cluster: setup  ## A Kubernetes control plane for the tests: built once (6 minutes and more), kept in your cache
	@scripts/cluster.sh

test: lint types imports unit servers cluster integration  ## All of it: lint, types, arrows, unit and integration tests
	@printf '\n== all passed ==\n'

lint: setup  ## ruff: rules and format
	@printf '\n== ruff check ==\n'
	@$(BIN)/ruff check .
	@printf '\n== ruff format --check ==\n'
	@$(BIN)/ruff format --check .

types: setup  ## mypy, strict
	@printf '\n== mypy ==\n'
	@$(BIN)/mypy

imports: setup  ## import-linter: who may know whom
	@printf '\n== lint-imports ==\n'
	@$(BIN)/lint-imports

unit: setup  ## Unit tests
	@printf '\n== pytest: unit ==\n'
	@$(BIN)/pytest -q tests/unit

integration: servers cluster  ## Integration tests, on real servers and a real API server
	@printf '\n== pytest: integration ==\n'
	@$(BIN)/pytest -q tests/integration

demo: setup  ## Simulator, planner and shards here, shown live; DEMO_SECONDS=15 ends it by itself
	@$(BIN)/marketfeed demo

simulation: setup  ## Days of every market's life from seeds, without sockets: SEEDS=1000, ARGS="--exchange okx --hours 24"
	@$(BIN)/python -m tests.simulation --seeds $(or $(SEEDS),1000) $(ARGS)

bench: servers  ## CPU time per message beside a plain Python collector's
	@$(BIN)/marketfeed bench

docs: setup  ## Write anew what is generated: docs/events.md, docs/conditions.md, docs/exchanges.md, crds/
	@$(BIN)/python scripts/events_page.py >docs/events.md.new && mv docs/events.md.new docs/events.md
	@$(BIN)/python scripts/conditions_page.py >docs/conditions.md.new && mv docs/conditions.md.new docs/conditions.md
	@$(BIN)/python scripts/exchanges_page.py >docs/exchanges.md.new && mv docs/exchanges.md.new docs/exchanges.md
	@$(BIN)/python scripts/crds.py >crds/marketfeeds.yaml.new && mv crds/marketfeeds.yaml.new crds/marketfeeds.yaml

proto: setup  ## Write marketfeed/v1 anew from proto/
	@scripts/proto.sh

lock:  ## Write requirements.lock anew; UPGRADE=1 takes the newest versions
	@scripts/lock.sh $(if $(UPGRADE),--upgrade)

clean:  ## Remove what is built: .venv, build, caches
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find shard -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
