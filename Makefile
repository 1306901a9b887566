# Everything works from a bare checkout with Python 3.11 and make; see `make help`.

PYTHON ?= python3.11
ONCE ?=
ARGS ?=

LOCAL := $(PYTHON) deploy/local
INSTALL := $(LOCAL)/install.py
WITH_SERVICES := $(LOCAL)/services.py run
# Tests have a database and a broker of their own: a demo that runs meanwhile sees nothing of them.
WITH_TEST_SERVICES := $(WITH_SERVICES) --scope test

# A file's tests stay on one worker, in order: some share a network, a port or rules of the host.
# Files in order, too: xdist would leave those of a few long tests for the end, when one worker idles.
# The journeys come after the rest, as they bring up whole apps. Those in a browser go alone: Chromium
# drops what it has asked for whenever a network of the host comes or goes. Last are the chaos tests, which
# kill whole installations of their own, and use both cores by themselves. Half of the small tests' time
# is waiting, for restic's locks and containers: three at a time keep two cores busy.
SPREAD := --dist loadfile --no-loadscope-reorder
IN_A_BROWSER := tests/journeys/test_dashboard.py
ALL_TESTS := pytest $(SPREAD) --numprocesses 3 --ignore tests/journeys --ignore tests/chaos; \
	pytest $(IN_A_BROWSER); \
	pytest $(SPREAD) --numprocesses 2 --ignore $(IN_A_BROWSER) tests/journeys; \
	exec pytest tests/chaos

.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test coverage up lint format images bench chaos install requirements

help:  ## List what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' $(firstword $(MAKEFILE_LIST)) | \
		while IFS='|' read -r name what; do printf '%-20s %s\n' "$$name" "$$what"; done

demo: install  ## A client's own n8n, proved and served until Ctrl-C (ONCE=1: end after the proof)
	@$(WITH_SERVICES) -- python manage.py demo $(if $(ONCE),--once)

demo-clean: install  ## Remove every container, network and volume that the demo made
	@$(WITH_SERVICES) -- python manage.py demo --clean

test: install  ## All tests (ARGS="-k name" or a path for some of them)
	@$(WITH_TEST_SERVICES) -- sh -ec 'images/build; $(if $(ARGS),exec pytest $(ARGS),$(ALL_TESTS))'

coverage: install  ## Which lines and branches the tests reach; the chaos tests' processes are not seen
	@$(WITH_TEST_SERVICES) -- sh -ec 'images/build; pytest $(SPREAD) --numprocesses 3 --cov --cov-report= \
		--ignore tests/journeys --ignore tests/chaos; pytest --cov --cov-append --cov-report= $(IN_A_BROWSER); \
		exec pytest $(SPREAD) --numprocesses 2 --cov --cov-append --ignore $(IN_A_BROWSER) tests/journeys'

up: install  ## The whole portal for development: web, worker, scheduler, edge
	@$(WITH_SERVICES) -- sh -ec 'python manage.py migrate --verbosity 0; exec honcho start'

lint: install  ## Style, types, layers, templates, missing migrations
	@$(WITH_TEST_SERVICES) --no-docker -- deploy/local/lint.sh

format: install  ## Put the Python code into its one form
	@.venv/bin/ruff check --quiet --fix --exit-zero .
	@.venv/bin/ruff format .

images: install  ## Build the images that Berth can make itself
	@$(WITH_SERVICES) -- images/build $(ARGS)

chaos: install  ## Break everything at random, and see that it holds (SEED=1 MINUTES=5)
	@$(WITH_TEST_SERVICES) -- sh -ec 'images/build --only redis; exec python -m tests.chaos campaign \
		$(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES))'

bench: install  ## The benchmarks, each beside its peer's figure
	@$(WITH_TEST_SERVICES) -- sh -ec 'images/build; for bench in bench/[a-z]*.py; do python "$$bench" $(ARGS); done'

install:  # What is missing on this machine; a tenth of a second when nothing is
	@$(INSTALL)

requirements: install  ## Pin the dependencies anew from pyproject.toml
	@.venv/bin/uv pip compile pyproject.toml --upgrade --generate-hashes --no-emit-index-url \
		--no-header --python-version 3.11 --quiet --output-file requirements.txt
	@.venv/bin/uv pip compile pyproject.toml --upgrade --extra dev --constraint requirements.txt \
		--generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet \
		--output-file requirements-dev.txt
