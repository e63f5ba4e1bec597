PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(wildcard plugins/zoo-*))
INSTALLED := $(VENV)/.installed

.PHONY: demo test slow lint cards bench site clean

demo: $(INSTALLED)
	$(BIN)/python -m benchmarks.demo

# All tests, or with PLUGIN=vision those of one plugin. What was skipped is told with its reason.
test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto -rsxX tests$(if $(PLUGIN),/$(PLUGIN))

# What make test leaves out: every entry through torch.compile and torch.export.
slow: $(INSTALLED)
	$(BIN)/python -m pytest -n auto -m slow tests$(if $(PLUGIN),/$(PLUGIN))

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

cards: $(INSTALLED)
	$(BIN)/zoo card --all --check

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

# The site, from the catalogue, the cards and the guides: open site/index.html.
site: $(INSTALLED)
	$(BIN)/python -m docs.pages

# The virtual environment, with the core and every plugin installed editable; made again when what they need changes.
$(INSTALLED): pyproject.toml constraints.txt $(addsuffix /pyproject.toml,$(PLUGINS))
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools wheel
	$(BIN)/python -m pip install --quiet --constraint constraints.txt -e ".[dev]" $(addprefix -e ./,$(PLUGINS))
	touch $@

clean:
	rm -rf $(VENV) build site .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
