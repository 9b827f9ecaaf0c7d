# SparseBench. Every target sets up what is missing first; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The first Python that the lock supports; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && break; done)

METHOD ?=
DATASET ?=
MODEL ?=
SPARSITY ?=
SEED ?=
BUDGET ?=
RUNNER ?=
OUTPUT ?=
SUITE ?=
PAPER ?=
EXECUTOR ?= local
JOBS ?=
UNTIL ?=
ARGS ?=

# A value is passed on as it was typed, whatever is in it: $(value) keeps its dollars, the quotes keep the rest.
quoted = '$(subst ','\'',$(1))'
given = $(call quoted,$(value $(1)))
option = $(if $(value $(1)),$(call quoted,$(2)=$(value $(1))))
output = $(call option,OUTPUT,output)
jobs = $(if $(value JOBS),--jobs $(call given,JOBS))
until = $(if $(value UNTIL),--until $(call given,UNTIL))
chosen = $(call option,METHOD,method) $(call option,DATASET,dataset) $(call option,MODEL,model) \
	$(call option,SPARSITY,sparsity) $(call option,SEED,seed) $(call option,BUDGET,budget) \
	$(call option,RUNNER,runner) $(output) $(ARGS)

TARGETS := help install bench suite reproduce plan leaderboard test lint site golden lock image speed nightly clean
# What each target reads. Make ignores any other variable: method=rigl would train the default in silence.
SETTINGS := METHOD DATASET MODEL SPARSITY SEED BUDGET RUNNER OUTPUT ARGS
reads_bench := $(SETTINGS)
reads_plan := $(SETTINGS) SUITE UNTIL
reads_suite := $(SETTINGS) SUITE EXECUTOR JOBS UNTIL
reads_reproduce := $(SETTINGS) PAPER EXECUTOR JOBS
reads_nightly := $(SETTINGS) SUITE EXECUTOR JOBS
reads_leaderboard := OUTPUT ARGS
reads_test := ARGS
reads_lock := ARGS
reads_image := ARGS
reads_speed := ARGS
reads_site := ARGS
reads_$(READY) := ARGS

unknown := $(firstword $(filter-out $(TARGETS) $(READY),$(MAKECMDGOALS)))
ifneq ($(unknown),)
$(error sparsebench: unknown target $(unknown); allowed are $(TARGETS))
endif
goals := $(or $(MAKECMDGOALS),help)
read := $(sort $(foreach goal,$(goals),$(reads_$(goal))) PYTHON)
typed := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
unknown := $(firstword $(filter-out $(read),$(typed)))
ifneq ($(unknown),)
meant := $(filter $(read),$(shell echo $(call quoted,$(unknown)) | tr a-z A-Z))
hint := $(if $(meant), (did you mean $(meant)=?))
$(error sparsebench: make $(goals) takes no $(unknown)=$(hint); it takes $(read:%=%=))
endif

.PHONY: $(TARGETS)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14
	@echo
	@echo "bench, suite and plan take METHOD= DATASET= MODEL= SPARSITY= SEED= BUDGET=epochs:10|steps:N|flops:0.5|seconds:60"
	@echo "RUNNER=auto|local|docker OUTPUT=DIR EXECUTOR=local|slurm|ray JOBS=n|auto UNTIL=points (suite) ARGS='name=value ...'; $(BIN)/sparsebench list says what there is to choose."

# Alone it trains nothing; every other target that needs the environment sets it up by itself.
install: $(READY) ## set up the virtual environment and train nothing; says how to activate it
	@echo "sparsebench is installed in $(VENV): \`source $(BIN)/activate\` puts it on the path, then \`sparsebench list\` says what there is"

bench: $(READY) ## train one run and update the board (default: GraNet at 90 % on digits)
	@$(BIN)/sparsebench run $(chosen)

suite: $(READY) ## train a grid: SUITE=name [JOBS=n] [UNTIL=0.5: seeds until 0.5 points can be shown]; skips what is done
	@$(BIN)/sparsebench suite --suite $(call given,SUITE) --executor $(call given,EXECUTOR) $(jobs) $(until) $(chosen)

reproduce: $(READY) ## a paper's table, PAPER=name: trains what is missing, then a verdict on each row; ARGS=--no-train trains nothing
	@$(BIN)/sparsebench reproduce $(call given,PAPER) --executor $(call given,EXECUTOR) $(jobs) $(chosen)

plan: $(READY) ## what a run or SUITE=name will cost, and what is done; trains nothing
	@$(BIN)/sparsebench plan $(if $(value SUITE),--suite $(call given,SUITE)) $(until) $(chosen)

leaderboard: $(READY) ## records -> results/leaderboard.{csv,md,html} and the tables in README and docs/results.md
	@$(BIN)/sparsebench leaderboard $(output) $(ARGS)

test: $(READY) ## every test that this machine can run, on up to eight CPUs; says what was skipped and why
	@$(BIN)/python -m pytest -n auto $(ARGS)

lint: $(READY) ## ruff, mypy and who may import whom
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache

site: $(READY) ## build the documentation site into build/site, without a network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "wrote build/site/index.html"

golden: $(READY) ## after a change of code: check the golden runs, rewrite those that HISTORY names, renew the sources' lock
	@$(BIN)/python tests/golden_runs.py && $(BIN)/python -m harness.plan.sources

image: $(READY) ## build the pinned image
	@$(BIN)/sparsebench image $(ARGS)

speed: $(READY) ## speed suites (pytest-benchmark); ratios against named baselines
	@$(BIN)/sparsebench speed $(ARGS)

nightly: $(READY) ## image, smoke gate, SUITE=name, board, check of every record; what the nightly job runs
	@if [ $(call given,RUNNER) = docker ]; then $(BIN)/sparsebench image; fi
	@echo "== smoke gate" && rm -rf build/smoke && $(BIN)/sparsebench suite --suite smoke \
		--executor $(call given,EXECUTOR) $(jobs) $(call option,RUNNER,runner) seed=0 output=build/smoke budget=epochs:5
	@echo "== suite" && $(BIN)/sparsebench suite --suite $(call given,SUITE) --executor $(call given,EXECUTOR) \
		$(jobs) $(chosen)
	@echo "== board" && $(BIN)/sparsebench leaderboard $(output)
	@echo "== check" && $(BIN)/sparsebench check $(call quoted,$(or $(value OUTPUT),results)/records)

clean: $(READY) ## remove containers that a killed harness left behind
	@$(BIN)/sparsebench clean

lock: ## compile the hashed locks from pyproject.toml (ARGS=--upgrade for newer versions)
	@python3 -m venv build/lock && build/lock/bin/pip install --quiet uv
	@compile() { build/lock/bin/uv pip compile --quiet --no-header --generate-hashes --universal --python-version 3.11 \
		$(ARGS) "$$@" >/dev/null; }; \
	compile --group wall -o docker/requirements.lock && \
	printf 'pip\nsetuptools\nwheel\n' | compile - -o docker/build.lock && \
	compile --all-extras -c docker/requirements.lock pyproject.toml -o docker/dev.lock
	@$(MAKE) --no-print-directory $(READY) && $(BIN)/python -m harness.containers.content

# fvcore, iopath and antlr4 come as source only: setuptools and wheel are locked too, and build without isolation.
# The locks are complete, so no dependency is looked at again.
# Of several makes at once one sets up and the others wait, or they would replace packages under each other.
$(READY): docker/dev.lock docker/build.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "sparsebench: Python 3.11 or 3.12 is needed and neither was found (PYTHON=path names one)" >&2; exit 2; }
	@mkdir -p build
	@exec 9>build/setup.lock; ! command -v flock >/dev/null || flock 9; \
	if [ $@ -nt docker/dev.lock ] && [ $@ -nt docker/build.lock ] && [ $@ -nt pyproject.toml ]; then exit 0; fi; \
	echo "setting up $(VENV) (once; about 7 GB, 2 to 15 minutes; build/setup.log shows how far it is)" >&2; \
	$(PYTHON) -m venv $(VENV) || { echo "sparsebench: $(PYTHON) -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 2; }; \
	pip() { $(BIN)/python -m pip install --progress-bar off --disable-pip-version-check "$$@"; }; { \
		pip --no-deps --require-hashes -r docker/build.lock && \
		pip --no-deps --no-build-isolation --require-hashes -r docker/dev.lock && \
		pip --no-build-isolation --no-deps -e .; \
	} >build/setup.log 2>&1 || { tail -n 40 build/setup.log >&2; echo "sparsebench: the set-up failed, see above" >&2; exit 2; }; \
	touch $@
