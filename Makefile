# Two verbs do everything on a fresh machine: `make serve` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
DATA   ?= ./rushes-data
WORKERS ?= 2
TORCH  := torch==2.13.0
TORCHAO := torchao==0.18.0
# Releases of the last days are left alone: mirrors may not have them yet, and a bad one is mostly withdrawn by then.
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --exclude-newer "4 days" --no-header pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help install serve test lint docs lock bench fuzz sheets clean

help:  ## print the verbs
	@awk -F ':.*##' '/^[a-z]+:.*##/ { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Rushes needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@touch $@

$(VENV)/.installed: $(VENV)/.python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

# torch goes first and alone: asked for by another package, pip would take its newest build and gigabytes of CUDA.
# torchao lies aside, for one test: where diffusers finds it, it imports it in every process.
$(VENV)/.tested: $(VENV)/.installed requirements-test.lock requirements-diffusers.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) -c requirements-diffusers.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-diffusers.lock -r requirements-test.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target $(VENV)/torchao $(TORCHAO)
	@touch $@

install: $(VENV)/.installed  ## make the virtual environment and install from the lock

serve: $(VENV)/.installed  ## install and start; prints the URL, the key and a first curl
	@exec $(BIN)/rushes serve --data $(DATA)

# Each worker takes one run of folders, so that what a folder's tests share is made once. Where bytecode is not written,
# each of the many processes that are started would compile all sources anew.
test: $(VENV)/.tested lint  ## install and run all tests
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.tested  ## format, style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.tested  ## write the generated pages of docs/
	$(BIN)/python -m tools.docs

bench: $(VENV)/.tested  ## measure, each figure beside its peer or limit
	$(BIN)/python -m bench

fuzz: $(VENV)/.tested  ## ten thousand calls drawn from the OpenAPI page, requests' lives, and storms
	RUSHES_TEST_FUZZ_CASES=10000 RUSHES_TEST_LIVES=200 RUSHES_TEST_CHAOS_STORMS=5 RUSHES_TEST_FLOOD_IMAGES=1000 \
		$(BIN)/python -m pytest -s tests/server/test_fuzz.py tests/ledger/test_life.py tests/chaos

sheets: $(VENV)/.tested  ## contact sheets of the animatic engine in out/sheets
	$(BIN)/python -m tools.sheets

lock: $(VENV)/.python  ## resolve the locks anew
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(LOCK) -o requirements.lock
	$(LOCK) --extra test -c requirements.lock -o requirements-test.lock
	echo $(TORCH) > $(VENV)/torch.txt
	$(LOCK) --extra diffusers --no-annotate -c requirements-test.lock -c $(VENV)/torch.txt \
		| grep -vE '^(torch|nvidia-|cuda-|triton)' > requirements-diffusers.lock

clean:  ## remove the virtual environment and caches, never data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
