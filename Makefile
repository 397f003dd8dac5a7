# make demo: set up and run the whole workflow on the built-in demo cohort
# make test: set up and run the tests        make lint: ruff, mypy, snakefmt, snakemake --lint
# make bench: figures of the README and docs
# make bench-transcripts: transcripts to cells beside geopandas, spatialdata and sopa
# make test-faults: many seeded kills        make test-slurm: on a SLURM of one node (root)
# make test-environments: each stage in an environment of its own
# make test-storage: inputs and results on an S3 server
PYTHON ?= python3
CORES ?= all
VENV ?= .venv
BIN := $(VENV)/bin
# Where pip finds torch, for another build of it: an index of CUDA or of CPU builds.
TORCH_INDEX ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# netrd pins packages that ours cannot have; the benchmark of portraits starts this interpreter.
NETRD := $(VENV)-netrd
# sopa pins older packages as well; the benchmark of transcripts starts this interpreter.
SOPA := $(VENV)-sopa

SETUP_FILES := pyproject.toml constraints.txt

.PHONY: demo test test-environments test-faults test-slurm test-storage lint bench bench-transcripts clean

demo: $(VENV)/.installed
	$(BIN)/snakemake --cores $(CORES) --config samples=config/demo/samples.tsv
	@echo "The report of the demo cohort is results/cohort/report.html"

test: $(VENV)/.installed-test
	$(BIN)/pytest -n 2 --dist worksteal

test-faults: $(VENV)/.installed-test
	VITRAIL_KILLS=100 $(BIN)/pytest -m faults -s

test-slurm: $(VENV)/.installed-slurm
	$(BIN)/pytest -m slurm -s

test-environments: $(VENV)/.installed-environments
	$(BIN)/pytest -m environments -s

test-storage: $(VENV)/.installed-storage
	$(BIN)/pytest -m storage -s

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint --config samples=config/demo/samples.tsv

bench: $(VENV)/.installed-bench $(NETRD)/.installed
	$(BIN)/python benchmarks/calibration.py
	VITRAIL_NETRD_PYTHON=$(NETRD)/bin/python $(BIN)/python benchmarks/portraits.py --large
	$(BIN)/python benchmarks/portrait_sizes.py
	$(BIN)/python benchmarks/compare.py
	$(BIN)/python benchmarks/calibration_moran.py
	$(BIN)/python benchmarks/moran.py
	$(BIN)/python benchmarks/graphs.py
	$(BIN)/python benchmarks/ingest.py

bench-transcripts: $(VENV)/.installed-bench $(SOPA)/.installed
	VITRAIL_SOPA_PYTHON=$(SOPA)/bin/python $(BIN)/python benchmarks/transcripts.py

clean:
	rm -rf $(VENV) $(NETRD) $(SOPA) .pytest_cache .mypy_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(SETUP_FILES) | $(BIN)/python
	$(PIP) --editable ".[torch]"
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(PIP) --editable ".[test]"
	touch $@

$(VENV)/.installed-slurm: $(VENV)/.installed-test
	$(PIP) --editable ".[slurm]"
	touch $@

$(VENV)/.installed-environments: $(VENV)/.installed-test
	$(PIP) uv
	touch $@

$(VENV)/.installed-storage: $(VENV)/.installed-test
	$(PIP) --editable ".[storage]" "moto[server]"
	touch $@

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP) --editable ".[bench]"
	touch $@

$(NETRD)/.installed:
	$(PYTHON) -m venv $(NETRD)
	$(NETRD)/bin/python -m pip install --quiet --disable-pip-version-check netrd==0.3.0
	touch $@

$(SOPA)/.installed:
	$(PYTHON) -m venv $(SOPA)
	$(SOPA)/bin/python -m pip install --quiet --disable-pip-version-check sopa==2.2.11
	touch $@

$(VENV)/.installed-lint: $(VENV)/.installed
	$(PIP) --editable ".[lint]"
	touch $@
