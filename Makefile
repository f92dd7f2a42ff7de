# make run       set everything up and run a daily cycle of 3,000 farm-grant applications (Ctrl-C ends it)
# make test      set everything up and pass the tests
# make check     lint, format, types, import contracts; the site of documents; the wheel installed and a cycle run far from here
# make bench     measure against Celery and pgqueuer, side by side
# make chaos     all that can happen to a job, in a model; a storm of faults over real processes, servers, disk, clock
#                and provider, with events, parts, keys, schedules, webhooks and texts in it, and one over texts alone;
#                requests made up from the API's document;
#                the verdict goes to docs/verdict.md (JOBS=20000 FAULTS=200 SEEDS="7 8 9" STORIES=500 TEXTS=500 FUZZ=300)
# make drills    the tests that take long: a rolling upgrade from the release before, a backup restored in mid-cycle,
#                failovers of PostgreSQL and Redis, silent hosts, processes killed and frozen at every other point;
#                what cannot be tried here is skipped aloud (DRILLS=tests/drills/drill_upgrade.py)
# make nights    nights made up by their seeds, played through watch, escalation, silences, merging and throttle: nobody is
#                left uncalled, called twice, in a silence or too often; and seasons of schedules, office hours, plans and
#                forecasts, with clocks that are set and hours without a dispatcher (NIGHTS=1000)
# make mutants   take out the guards of tests/mutants/guards.toml one by one, and see that the tests notice each
#                (MUTANTS=recovery those with it in their name)
# make mutations change the modules of tests/mutants/pure.toml in every way that cosmic-ray knows, and see that their tests
#                notice each (MUTATIONS=paging those with it in their name)
# make failpoints   strike each statement and each call of the programs once, and then in pairs: killed, reset, late, the
#                answer lost; nothing may be lost or done twice (SLICE=3/12 a part of it, SEED=7)
# make audit     known weaknesses of the versions in constraints.txt, and their bill of materials in build/bom.json
# make helm      helm and Kubernetes' schemas, out of packages of the registry: for the tests of the chart
# make docs      the documents as a site in build/docs, with the reference made of the code
# make screenshots   the pages of a seeded day into docs/images (needs chromium)
# make looks     look at every page and dialog, idle and burning, in both themes, at every width, on the wall: axe-core,
#                contrast, what is cut off, written over something else or too wide (LOOKS="--state idle --width 390")
# make help      this text

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := build/audit
MUTATION := build/mutations/environment
SAMPLE ?= 3000
JOBS ?= 20000
FAULTS ?= 200
SEED ?= 7
SEEDS ?= 7 8 9
STORIES ?= 500
TEXTS ?= 500
FUZZ ?= 300
SLICE ?= 1/1
NIGHTS ?= 1000
DRILLS ?= $(wildcard tests/drills/drill_*.py)
# Where Python is told to keep no bytecode, each of the many processes would compile all modules for itself.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: audit docs drills failpoints helm looks mutants mutations nights screenshots help setup run test check format bench chaos clean

help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: setup.cfg pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.bench-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	@touch $@

# In an environment of its own: its parts would change what ours do.
$(AUDIT)/.ready: setup.cfg constraints.txt
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[audit]'
	@touch $@

$(MUTATION)/.ready: tests/mutants/requirements.txt
	$(PYTHON) -m venv $(MUTATION)
	$(MUTATION)/bin/python -m pip install --quiet --disable-pip-version-check --requirement tests/mutants/requirements.txt
	@touch $@

run: setup
	@$(BIN)/hms up --sample $(SAMPLE) $(if $(ONCE),--once)

test: setup
	$(BIN)/python -m pytest --numprocesses 4 --dist loadgroup --no-loadscope-reorder

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) --no-print-directory docs
	$(BIN)/python -m tests.packaging

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench-ready
	$(BIN)/python -m benchmarks $(BENCH)

chaos: setup
	$(BIN)/python -m tests.chaos.whole --jobs $(JOBS) --faults $(FAULTS) --seeds $(SEEDS) --stories $(STORIES) --texts $(TEXTS) --fuzz $(FUZZ)

drills: setup
	$(BIN)/python -m pytest -m drill --capture=no $(DRILLS)
	$(BIN)/python -m pytest -m drill

nights: setup
	$(BIN)/python -m tests.nights --nights $(NIGHTS)

mutants: setup
	$(BIN)/python -m tests.mutants $(MUTANTS)

mutations: setup $(MUTATION)/.ready
	$(BIN)/python -m tests.mutants.pure $(MUTATIONS)

failpoints: setup
	$(BIN)/python -m tests.failpoints --slice $(SLICE) --seed $(SEED)
	$(BIN)/python -m tests.failpoints --pairs --slice $(SLICE) --seed $(SEED)

audit: $(AUDIT)/.ready
	$(AUDIT)/bin/python -m tests.packaging.audit

helm: setup
	$(BIN)/python -m tests.packaging.helm

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

screenshots: setup
	$(BIN)/python -m tests.pages.screenshots

looks: setup
	$(BIN)/python -m tests.pages.looks $(LOOKS)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
