# Verbs: demo, test, lint, bench; test-postgres, the tests on a PostgreSQL server alone; wheel, a demo where
# there is no checkout; rivals, for the comparison. Each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RIVALS := .venv-rivals

.PHONY: demo test test-postgres lint lint-python lint-types lint-assets wheel bench rivals programs

demo: $(VENV)/demo.stamp
	$(BIN)/xpixels demo

test: $(VENV)/test.stamp programs
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 10

test-postgres: $(VENV)/test.stamp programs
	PYTHONWARNDEFAULTENCODING=1 $(BIN)/pytest -m postgresql --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: lint-python lint-types lint-assets

lint-python: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/lint-imports

lint-types: $(VENV)/test.stamp
	$(BIN)/mypy

# JavaScript and style sheets
ifneq ($(shell command -v npm 2>/dev/null),)
lint-assets: node_modules/lint.stamp
	node_modules/.bin/eslint dashapp/assets
	node_modules/.bin/stylelint 'dashapp/assets/**/*.css'
else
lint-assets:
	@echo "There is no npm here: JavaScript and style sheets are left out."
endif

# A wheel, installed into a new environment outside the checkout, runs the demo and serves it.
wheel: $(VENV)/test.stamp
	$(BIN)/python tests/wheel.py

bench: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks

rivals: $(VENV)/test.stamp $(RIVALS)/rivals.stamp
	$(BIN)/python -m benchmarks.rivals --python $(RIVALS)/bin/python

programs:
	@sh tests/programs.sh

$(VENV)/demo.stamp: setup.cfg pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable .
	@touch $@

# What the tests need holds what the demo needs: one installation for both.
$(VENV)/test.stamp: setup.cfg pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[test]'
	@touch $(VENV)/demo.stamp $@

# Linters alone: nothing of it is served.
node_modules/lint.stamp: package.json package-lock.json
	npm ci --silent --no-audit --no-fund
	@touch $@

$(RIVALS)/rivals.stamp: benchmarks/rivals.txt
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/pip install --quiet --disable-pip-version-check --requirement benchmarks/rivals.txt
	$(RIVALS)/bin/pip install --quiet --disable-pip-version-check --no-deps torchattacks==3.5.1 \
		adversarial-robustness-toolbox==1.20.1
	@touch $@
