# Everything a newcomer types. Each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve demo fleet venv test test-quick test-long test-releases check bench clean

serve: .venv/ready
	@echo 'Starting. It is ready when the log says ServiceReady, after some seconds; Ctrl-C ends it.'
	@$(BIN)/ytdlpd serve

demo: .venv/ready-dev
	$(BIN)/python -m tests.internet.demo

fleet: .venv/ready-dev
	$(BIN)/python -m tests.internet.fleet

# Asserts are rewritten once, not in each process of each run, also where byte code is not to be written.
test test-quick test-long: export PYTHONDONTWRITEBYTECODE =

test: .venv/ready-dev
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --cov=service --cov-branch --cov-report=term:skip-covered --cov-fail-under=90

test-quick: .venv/ready-dev
	$(BIN)/pytest -n 2 --dist worksteal --hypothesis-profile quick -m "pure or collaboration" tests/unit

test-long: .venv/ready-dev
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --hypothesis-profile long

test-releases: .venv/ready-dev
	$(BIN)/python -m tests.support.release_verdicts

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready-bench
	$(BIN)/python -m bench suite

clean:
	rm -rf .venv .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache

# Makes .venv where there is none, or none that works: without pip (Debian without python3-venv leaves such a one),
# or of a Python that is too old or gone.
venv:
	@$(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && exit; \
	  command -v $(PYTHON) >/dev/null || { echo 'ytdlpd needs Python 3.11 or later, and there is no $(PYTHON) here.'; exit 1; }; \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ytdlpd needs Python 3.11 or later, and $(PYTHON) is" \
	    "$$($(PYTHON) -V 2>&1); name another one, as in: make $(firstword $(MAKECMDGOALS) serve) PYTHON=python3.12"; exit 1; }; \
	  echo 'Making .venv and installing what is needed, once; this takes about a minute.'; \
	  $(PYTHON) -m venv --clear .venv || { rm -rf .venv; exit 1; }

.venv/ready: pyproject.toml constraints.txt | venv
	@echo 'Installing the service and yt-dlp …'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/ready-dev: .venv/ready constraints-tests.txt
	@echo 'Installing the tools of the tests …'
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --constraint constraints-tests.txt --editable '.[cluster,dev,otel,sentry,webhook]'
	@touch $@

.venv/ready-bench: .venv/ready-dev
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --constraint constraints-tests.txt --editable '.[bench]'
	@touch $@
