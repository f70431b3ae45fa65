# `make demo`, `make test`, `make docs`. Each makes the virtual environment .venv if it is missing.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_PROCESSES ?= 2

.PHONY: demo test docs wheel-check clean

demo: $(STAMP)
	$(BIN)/metastructure demo

test: $(STAMP)
	$(BIN)/ruff check src tests benchmarks docs .ci
	$(BIN)/lint-imports
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist worksteal
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest tests/napari src/metastructure/napari
	$(BIN)/python .ci/wheel_check.py

docs: $(STAMP)
	$(BIN)/mkdocs build --strict --quiet

wheel-check: $(STAMP)
	$(BIN)/python .ci/wheel_check.py

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV)
