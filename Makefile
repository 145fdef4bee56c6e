# make acceptance [RUN=full] [DEPLOYMENT=sandbox]      judge a deployment; RUN is a file of runs/, DEPLOYMENT a descriptor
# make check DEPLOYMENT= [RUN=integration]              what a run could verify of a deployment, and what it would take
# make check                                           lint, types and unit tests of this project: a minute or two
# make test                                            all of the project's own tests
# make detect [DEFECT=] [CRITERION=] [SHARD=i/n]       see whether planted defects and harness mutants are noticed
# make detect HOSTILE=all                              see whether hostile deployments are borne (or one MODE)
# make docs                                            the keyword reference with a search, in docs/site/index.html
# make browsers                                        find the browser engines of this machine, and install the others
# make baseline [DEPLOYMENT=sandbox]                   record what INT-16 and PERF-07 compare with
# make bench                                           what this project itself costs, into docs/benchmarks.md: 13 quiet minutes
# make clean-up [DEPLOYMENT=sandbox]                   remove what earlier runs left on a deployment
# make rollback [DEPLOYMENT=]                          undo the faults that killed runs left in effect: everywhere, or there
# PYTHON=… names another interpreter than python3.

PYTHON ?= python3
RUN ?= full
DEPLOYMENT ?= sandbox

RUNS_ON := $(shell $(PYTHON) -c 'import sys, venv, ensurepip; print(*sys.version_info[:3], sep=".", end=" "); print(sys.version_info >= (3, 11))' 2>/dev/null)
ifneq (True,$(lastword $(RUNS_ON)))
$(error Python 3.11 or later with venv is needed, and '$(PYTHON)' is not one: install it (Debian: apt install python3 python3-venv), or name one with PYTHON=)
endif

SET_UP := .venv/set-up-$(firstword $(shell (echo $(RUNS_ON); cat requirements.txt constraints.txt pyproject.toml) | cksum))
RUN_PYTHON := .venv/bin/python
# Of what pip prints: packages of a megabyte and more, as they come, and when it begins to install.
SHOWN := 's/^ *(Downloading|Using cached) ([A-Za-z0-9_.]+)-.* \(([0-9.]+ MB)\).*/  \2, \3/p; s/^Installing collected packages.*/  installing/p'

# Artillery and what looks at pages are installed once, for runs that apply a load or drive browsers, and for our own tests.
NODE_SET_UP := node_modules/.set-up-$(firstword $(shell (grep nodejs requirements.txt; cat package.json package-lock.json) | cksum))
LOAD := $(if $(shell grep -lsE 'PERF|CLOUD|BRW' 'runs/$(RUN).args'),$(NODE_SET_UP))
# Runs that look at pages find the browsers that are there, and install what can be: without them the rest is judged.
BROWSERS := $(if $(shell grep -ls BRW 'runs/$(RUN).args'),browsers)

.PHONY: help acceptance browsers check test docs detect baseline bench clean-up rollback

help:
	@sed -n '/^# make/s/^# //p' Makefile

acceptance: $(SET_UP) $(LOAD) $(BROWSERS)
	@$(RUN_PYTHON) -m acceptance run '$(RUN)' --deployment '$(DEPLOYMENT)'

browsers: $(SET_UP)
	@$(RUN_PYTHON) -m acceptance browsers

# Of a deployment that is named; else of this project itself.
ifneq (,$(filter command environment,$(firstword $(origin DEPLOYMENT))))
check: $(SET_UP)
	@$(RUN_PYTHON) -m acceptance check --deployment '$(DEPLOYMENT)' $(if $(filter file,$(origin RUN)),,--run '$(RUN)')
else
check: $(SET_UP) $(NODE_SET_UP)
	@$(RUN_PYTHON) -m tests check
endif

test: $(SET_UP) $(NODE_SET_UP)
	@$(RUN_PYTHON) -m tests

docs: $(SET_UP)
	@$(RUN_PYTHON) docs/build.py

detect: $(SET_UP) $(NODE_SET_UP)
	@$(RUN_PYTHON) -m tests.detection --deployment '$(DEPLOYMENT)' $(if $(DEFECT),--defect '$(DEFECT)') $(if $(HOSTILE),--hostile '$(HOSTILE)') $(if $(CRITERION),--criterion '$(CRITERION)') $(if $(SHARD),--shard '$(SHARD)')

baseline: $(SET_UP) $(NODE_SET_UP)
	@$(RUN_PYTHON) -m acceptance baseline --deployment '$(DEPLOYMENT)'

bench: $(SET_UP) $(NODE_SET_UP)
	@$(RUN_PYTHON) -m tests.bench

clean-up: $(SET_UP)
	@$(RUN_PYTHON) -m acceptance clean-up --deployment '$(DEPLOYMENT)'

rollback: $(SET_UP)
	@$(RUN_PYTHON) -m acceptance rollback $(if $(filter command environment,$(firstword $(origin DEPLOYMENT))),--deployment '$(DEPLOYMENT)')

# Its name changes with whatever it depends on, the interpreter included.
$(SET_UP):
	@echo "setting up .venv with Python $(firstword $(RUNS_ON)); this is done once: 900 MB, a minute or two"
	@$(RUN_PYTHON) -c 'import sys; sys.exit(sys.version.split()[0] != "$(firstword $(RUNS_ON))")' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@rm -f .venv/set-up-*
	@{ PYTHONUNBUFFERED=1 $(RUN_PYTHON) -m pip install --progress-bar off --disable-pip-version-check --no-input -r requirements.txt && touch $@; } | sed -unE $(SHOWN)
	@test -e $@ && du -sh .venv | sed 's/\t.*/ in .venv/'

$(NODE_SET_UP): | $(SET_UP)
	@echo "installing the packages of Node; this is done once"
	@$(RUN_PYTHON) -m ArtilleryLibrary.node
	@touch $@
