# The two commands: `make demo` and `make test`. Each sets everything up by itself.
PYTHON ?= python3
PIP_TARGET = .venv/bin/python
EXTRAS = embedded,dev
# files of tests on several cores; those with a cluster of brokers, or whose clocks tell, have the machine to themselves
BESIDE = -m 'not kafka and not prometheus' -n auto --maxprocesses 4 --dist loadfile
ALONE = -m 'kafka or prometheus'
REAL = .venv/bin/pytest tests/integration $(BESIDE) $(1) && .venv/bin/pytest tests/integration $(ALONE) $(1) && .venv/bin/pytest tests/e2e $(1)
export HF_HUB_OFFLINE = 1
export SCENEWATCH_DATA ?= ../shared/data
export UV_HTTP_TIMEOUT ?= 180

.PHONY: help setup demo observe test coverage unit integration lint format schema figures kafka chaos clean

help: ## What can be done here
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.installed ## Create .venv with everything in it (the other targets do it by themselves)

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "scenewatch needs Python 3.11 or newer: make PYTHON=python3.11 …"; exit 1; }
	@echo "setting up .venv: about 7 GB, one to four minutes, once"
	@$(PYTHON) -m venv .venv
	@$(PIP_TARGET) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	@.venv/bin/uv pip install --quiet --python $(PIP_TARGET) --constraint constraints.txt --editable '.[$(EXTRAS)]' \
	  || $(PIP_TARGET) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@.venv/bin/scenewatch models yamnet mpnet-base --fetch > /dev/null
	@touch $@

demo: setup ## Watch a camera become alerts: a scene of our own, or VIDEO=file
	@.venv/bin/scenewatch demo $(if $(VIDEO),--video '$(VIDEO)')

observe: setup ## The demo live, with Prometheus and Alertmanager beside it, until Ctrl-C (apt-get install prometheus prometheus-alertmanager)
	@.venv/bin/scenewatch observe

test: setup ## Every test
	@.venv/bin/python tests/needs.py
	@.venv/bin/pytest tests/unit -n auto
	@$(call REAL,--durations=10)

coverage: setup ## Every test, and which lines they reach
	@.venv/bin/python tests/needs.py
	@.venv/bin/pytest tests/unit -n auto --cov --cov-report=
	@$(call REAL,--cov --cov-append --cov-report=)
	@.venv/bin/coverage report

unit: setup ## The quick tests
	@.venv/bin/pytest tests/unit -q -n auto

integration: setup ## The tests with real parts
	@$(call REAL,-q)

lint: setup ## Style, types and import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

format: setup ## Put the code into shape
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

schema: setup ## Write the JSON Schemas of what other programs read and of the configuration, and their pages
	@.venv/bin/scenewatch schema docs/schema --page docs/events.md
	@.venv/bin/scenewatch keys

figures: setup ## Measure everything that the documents quote (about three hours)
	@for name in stages more cameras bus scrape; do .venv/bin/scenewatch bench $$name --json docs/figures/$$name.json || exit 1; done
	@.venv/bin/scenewatch train --set research
	@for name in speech fusion fusion-kinds normality fights sounds tone intent sentiment retrieval reasons budget incidents incidents-research; do .venv/bin/scenewatch eval $$name --json docs/figures/$$name.json || exit 1; done
	@.venv/bin/python -m workers.evaluate.page
	@.venv/bin/scenewatch bench sizing --page docs/sizing.md --json docs/figures/sizing.json
	@.venv/bin/python -m workers.quote README.md docs/*.md

kafka: ## A Kafka on loopback, without Docker: NODES=3, PORT=9092, DATA=folder to keep its records
	@$(PYTHON) deploy/kafka-local/local_kafka.py --nodes $(or $(NODES),1) --port $(or $(PORT),9092) $(if $(DATA),--data '$(DATA)')

chaos: setup ## Break every part on three Kafka brokers, and write docs/reliability.md: three quarters of an hour (row clock: apt-get install faketime); CAMERAS=8, KILLS=4 of each stage, ROWS="kill slow" alone
	@.venv/bin/python -m workers bench chaos --cameras $(or $(CAMERAS),8) --kills $(or $(KILLS),4) $(addprefix --rows ,$(ROWS)) --json docs/figures/chaos.json --page docs/reliability.md

clean: ## Remove what was set up
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
