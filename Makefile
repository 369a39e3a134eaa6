# Each verb works from a fresh clone: it makes .venv and installs what it needs. PYTHON chooses the interpreter (3.11+).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
MIRROR ?= $(or $(MASKERY_MIRROR),$(wildcard ../shared/models))
ARGS ?=
WORKERS ?= 2
MINUTES ?= 10
RECIPE ?= recipes/everyday-base.toml

.DEFAULT_GOAL := help
.PHONY: help serve test lint types bench fuzz soak train containers bento dist clean object-pictures

help:
	@echo "make serve           install and serve on http://127.0.0.1:8000 (ARGS='--port 9000' for options)"
	@echo "make test            install everything the tests need and run them by WORKERS=2 processes (ARGS='-n0 FILE' for one)"
	@echo "make lint | types    ruff | mypy --strict"
	@echo "make bench           times, memory and peers, to docs/benchmarks.md (MIRROR=folder of the catalogue's files)"
	@echo "make fuzz            10,000 requests made from the OpenAPI document, half of them breaking it"
	@echo "make soak            mixed traffic on a real server for MINUTES=10; fails if it errs, hangs or grows"
	@echo "make containers      build what maskery package docker writes and run it confined (root, Debian)"
	@echo "make bento           build and serve what maskery package bento writes, in .bento-venv"
	@echo "make dist            wheel and sdist, reproducible and tried; SBOM, licences and sums, in dist/"
	@echo "make train           train by RECIPE=recipes/everyday-base.toml (DATA=folder of the data sets)"

# A stamp records what an environment holds; it is older than pyproject.toml when that has changed.
$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("Maskery needs Python 3.11 or newer, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/.serve: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[tflite,huge,client]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[tflite,huge,client,video,train,hf,otel]' --group dev
	@touch $@

serve: $(VENV)/.serve
	$(BIN)/maskery serve $(ARGS)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run.py --mirror "$(MIRROR)" --data "$(DATA)" $(ARGS)

twins: $(VENV)/.test
	rm -rf src/maskery/models/builtin/everyday/int8
	$(BIN)/maskery quantise everyday --calibrate "$(DATA)/voc2012-part" -o src/maskery/models/builtin/everyday/int8

object-pictures: $(VENV)/.test
	MASKERY_MIRROR="$(MIRROR)" $(BIN)/maskery models pull $(or $(MODEL),objects-coco)
	MODEL="$(MODEL)" $(BIN)/python -m benchmarks.object_pictures

video-pictures: $(VENV)/.test
	MASKERY_MIRROR="$(MIRROR)" $(BIN)/maskery models pull nanodet-m-coco
	$(BIN)/python -m benchmarks.video_pictures

fuzz: $(VENV)/.test
	FUZZ_CASES=10000 $(BIN)/python -m pytest tests/fuzz $(ARGS)

soak: $(VENV)/.test
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) --mirror "$(MIRROR)" $(ARGS)

containers: $(VENV)/.test
	PYTHON=$(BIN)/python .ci/containers $(ARGS)

.bento-venv/.made: pyproject.toml
	$(PYTHON) -m venv .bento-venv
	.bento-venv/bin/python -m pip install --quiet bentoml==1.4.40 -e .
	@touch $@

bento: $(VENV)/.test .bento-venv/.made
	BENTO=$(CURDIR)/.bento-venv/bin $(BIN)/python -m pytest -n0 tests/packaging/test_bento.py $(ARGS)

dist: $(VENV)/.test
	$(BIN)/python .ci/dist.py $(ARGS)

train: $(VENV)/.test
	$(BIN)/maskery train $(RECIPE) --data $(DATA) $(ARGS)

clean:
	rm -rf $(VENV) .bento-venv dist .pytest_cache .mypy_cache .ruff_cache
