# Everything a newcomer types. Each target sets up what it needs in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve demo test test-quick test-long test-releases check bench clean

serve: .venv/ready
	$(BIN)/ytdlpd serve

demo: .venv/ready-dev
	$(BIN)/python -m tests.internet.demo

test: .venv/ready-dev
	$(BIN)/pytest -n 3 --dist loadfile --cov=service --cov-branch --cov-report=term:skip-covered --cov-fail-under=90

test-quick: .venv/ready-dev
	$(BIN)/pytest -n 2 --dist worksteal --hypothesis-profile quick -m "pure or collaboration" tests/unit

test-long: .venv/ready-dev
	$(BIN)/pytest -n 3 --dist loadfile --hypothesis-profile long

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

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/ready: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

.venv/ready-dev: .venv/ready constraints-tests.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --constraint constraints-tests.txt --editable '.[dev,otel,sentry,webhook]'
	@touch $@

.venv/ready-bench: .venv/ready-dev
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --constraint constraints-tests.txt --editable '.[bench]'
	@touch $@
