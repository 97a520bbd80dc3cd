# `make run` and `make test` need Python 3.11 and make; everything else is installed into .venv/.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
KERNELS := $(VENV)/.kernels
CLASSES := $(VENV)/.classes

.PHONY: run test audit fuzz fuzz-kernels bench bench-quick bench-lab bench-online soak faults lint unit integration next-shop metrics docs class-lists clean
run: $(READY) $(KERNELS) $(CLASSES)
	@$(BIN)/heliotrope demo

test: lint $(KERNELS) $(CLASSES)
	@$(BIN)/python -m pytest

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

unit: $(READY) $(KERNELS)
	@$(BIN)/python -m pytest -m "not integration and not containers and not next_shop"

integration: $(READY) $(KERNELS) $(CLASSES)
	@$(BIN)/python -m pytest -m "integration and not faults"

# The Next.js example, built and clicked through in Chromium; needs Node, npm and a registry or what it left before.
next-shop: $(READY)
	@timeout 3600 $(BIN)/python -m pytest tests/browser/test_next_shop.py -m next_shop

# Every fault on one stack, the report on the screen and in benchmarks/results/faults.md; about half an hour.
faults: $(READY)
	@timeout 7200 $(BIN)/python -m pytest tests/faults tests/integration/test_resume.py -m "integration or faults" -s

# Asks the advisory database about every package of every lock; needs a network that reaches it, and fails where it does not.
audit: $(VENV)-audit/.ready
	@for lock in requirements*.lock; do \
	  echo "$$lock"; $(VENV)-audit/bin/pip-audit --strict --disable-pip --require-hashes -r $$lock || exit 1; done

$(VENV)-audit/.ready: requirements-audit.lock
	@$(PYTHON) -m venv $(VENV)-audit
	@$(VENV)-audit/bin/python -m pip install --quiet --require-hashes -r requirements-audit.lock
	@touch $@

# What the benchmarks compare with has a lock file of its own, in the same environment.
bench: $(VENV)/.ready-bench
	@$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.ready-bench
	@$(BIN)/python -m benchmarks --quick

bench-lab: $(VENV)/.ready-bench
	@$(BIN)/python -m benchmarks.lab
	@$(BIN)/python -m benchmarks.lab.speed

bench-online: $(VENV)/.ready-bench
	@$(BIN)/python -m benchmarks.online

# An hour of steady load; the plots go to docs/plots. make soak MINUTES=10 for a shorter one beside the results.
MINUTES := 60
soak: $(VENV)/.ready-bench
	@$(BIN)/python -m benchmarks.soak --minutes $(MINUTES) $(if $(filter 60,$(MINUTES)),--plots docs/plots)

# Looks for bytes that make a reader fail: SECONDS=600 looks for longer. What it adds has a lock file of its own.
fuzz: $(VENV)/.ready-fuzz
	@$(BIN)/python -m tests.fuzz $(or $(SECONDS),60)

# Looks for an access of the compiled core that is wrong, every one of which is looked up: 20 minutes, or SECONDS, from SEED on.
fuzz-kernels: $(READY)
	@HELIOTROPE_CHECKED_KERNELS=1 $(BIN)/python -m tests.state.core.fuzz $(or $(SECONDS),1200) $(or $(SEED),1)

$(VENV)/.ready-fuzz: $(READY) requirements-fuzz.lock
	@$(BIN)/python -m pip install --quiet --require-hashes --no-deps -r requirements-fuzz.lock
	@touch $@

# The page of metrics, from the list in the code.
metrics: $(READY)
	@$(BIN)/python -m operators.metrics > docs/metrics.md

# The documents as pages in site/. An environment of its own: what builds them does not fit the packages that Flink pins.
docs: $(VENV)-docs/.ready
	@NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --quiet && echo "site/index.html"

$(VENV)-docs/.ready: requirements-docs.lock
	@$(PYTHON) -m venv $(VENV)-docs
	@$(VENV)-docs/bin/python -m pip install --quiet --require-hashes -r requirements-docs.lock
	@touch $@

$(VENV)/.ready-bench: $(READY) $(KERNELS) $(CLASSES) requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

# Installed once per lock file: a second run finds the stamp and starts at once.
$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (once, a few minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "Heliotrope needs Python 3.11: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@$(BIN)/heliotrope fetch
	@touch $@

# Machine code of the kernels, once for each state of their sources: no process that starts later compiles.
$(KERNELS): $(READY) $(shell find state/kernels state/feature_set.py -name '*.py')
	@echo "Compiling kernels (once for each state of their sources, about a minute)"
	@$(BIN)/python -m state.kernels
	@touch $@

# What the stack's JVMs start from, once for each state of the jars and lists.
$(CLASSES): $(READY) cli/stack/jars.lock $(wildcard cli/stack/class_lists/*.gz)
	@$(BIN)/heliotrope fetch
	@touch $@

# Which classes those are, from a stack that runs for a minute. After a new Flink or Kafka, or other operators of SQL.
class-lists: $(VENV)/.ready-bench
	@timeout 1800 $(BIN)/python -m benchmarks.class_lists

clean:
	@rm -rf $(VENV) $(VENV)-audit $(VENV)-docs site .heliotrope .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
