# Each target sets up what it needs first: `make local-deploy`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installs a group of packages of pyproject.toml, and says how many and how long it takes.
INSTALL := $(BIN)/python -P local_aws/install.py
# Stamps: each is as new as the setup that its file describes.
VENV_READY := $(VENV)/.created
TEMPLATE_READY := $(VENV)/.template-ready
LOCAL_AWS_READY := $(VENV)/.local-aws-ready
PYTHON_READY := $(VENV)/.dev-ready
CLI_READY := node_modules/.ready
LOWEST_READY := $(VENV)/lowest/.ready
RUNTIME_READY := $(VENV)/wasm/.ready
BROWSER_READY := tests/browser/node_modules/.ready
AWS_CLI_READY := $(VENV)/aws-cli/.ready
OLDEST_SDK_READY := $(VENV)/oldest-sdk/.ready
TYPESCRIPT_READY := $(VENV)/typescript/.ready

# CDK apps look up `node` on the PATH. Whatever is imported is compiled once, not by each process that the tests start.
unexport PYTHONDONTWRITEBYTECODE
export NODE_COMPILE_CACHE := $(CURDIR)/$(VENV)/node-compile-cache
# By default the CDK's packages for Python are in ~/.cache, which the CDK refuses if the group may write there, as on Debian.
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/$(VENV)/jsii-package-cache
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup local-aws local-deploy test test-slow coverage bench build template snapshots docs docs-site docs-versions lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(PYTHON_READY) $(CLI_READY)  ## install the pinned packages, Node and the CDK CLI

local-aws: $(LOCAL_AWS_READY) $(CLI_READY)  ## install .venv/bin/local-aws, an AWS on this machine for an app of your own

# With KEEP=1 a shell in the local AWS follows.
local-deploy: $(LOCAL_AWS_READY) $(CLI_READY)  ## run the real `cdk deploy` of app.py against a local AWS (KEEP=1: and stay)
	@$(BIN)/python -m local_aws.local_deploy $(if $(KEEP),--keep)

# A file is never split: each that needs a local AWS starts its own. tests/conftest.py says in which order, and what
# is slow as a whole. CI has a third worker: the end-to-end tests mostly wait for the CDK CLI.
PYTEST := $(BIN)/pytest -n $(if $(SLOW),3,2) --dist loadfile --no-loadscope-reorder
SLOW_READY := $(BROWSER_READY) $(LOWEST_READY) $(OLDEST_SDK_READY) $(RUNTIME_READY) $(AWS_CLI_READY) $(TYPESCRIPT_READY)

test: setup $(if $(SLOW),$(SLOW_READY))  ## run ruff, import-linter, zuban and the tests (SLOW=1: all of them)
	@trap 'exit 130' INT TERM; failed=; \
	echo '== ruff'; $(BIN)/ruff check || failed="$$failed ruff-check"; \
	$(BIN)/ruff format --check || failed="$$failed ruff-format"; \
	echo '== import-linter'; $(BIN)/lint-imports --no-cache --no-logo || failed="$$failed import-linter"; \
	echo '== zuban'; $(BIN)/zmypy || failed="$$failed zuban"; \
	echo '== pytest'; $(PYTEST) $(if $(COVERAGE),--cov --cov-report=term) $(if $(SLOW),,-m 'not slow') || failed="$$failed pytest"; \
	test -z "$$failed" || { echo "Failed:$$failed"; exit 1; }

test-slow: setup $(SLOW_READY)  ## run the long searches, and every Python and package version
	$(PYTEST) -m slow

coverage:  ## run the gate, and measure how much of the library and the functions its tests cover (SLOW=1: run all tests)
	@$(MAKE) test COVERAGE=1

bench: setup  ## measure audits (PEER=path: aws-root-manager's too); writes benchmarks/README.md (about ten minutes on two idle cores)
	@$(BIN)/python -m benchmarks $(if $(PEER),--peer $(PEER))

build: $(PYTHON_READY)  ## build the sdist, and the wheel from it, into dist/, and check both
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

template: $(TEMPLATE_READY)  ## write the plain CloudFormation templates, and their functions' zip files, into build/template/
	@$(BIN)/python -m cloudformation

snapshots: $(PYTHON_READY)  ## update the templates in tests/snapshots/, to see what a change does in AWS
	@PYTHONPATH=tests $(BIN)/python -m support.snapshots

docs-site: $(PYTHON_READY)  ## build the documentation as a site, into build/site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

docs-versions: $(PYTHON_READY)  ## add the site of each release to build/site/, in a folder named by its version
	@for tag in $$(git tag --list 'v*'); do \
	  git worktree add --force --detach build/$$tag $$tag && \
	  NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --config-file build/$$tag/mkdocs.yml --site-dir $(CURDIR)/build/site/$${tag#v} && \
	  git worktree remove --force build/$$tag || exit 1; \
	done

docs: $(PYTHON_READY)  ## generate docs/reference/api.md, and the commands in docs/reference/command-line.md
	$(BIN)/python docs/generate.py

EXPORT := $(BIN)/uv export -q --frozen --no-emit-project --no-header --no-annotate

# Not from the index that is configured: its addresses would be in uv.lock.
lock: $(PYTHON_READY)  ## pin what pyproject.toml asks for, by version and hash (UPGRADE=1: the newest versions)
	$(BIN)/uv lock --default-index https://pypi.org/simple $(if $(UPGRADE),--upgrade)
	$(EXPORT) --extra cdk -o requirements.txt
	$(BIN)/npm install --package-lock-only --ignore-scripts
	for package in examples/typescript tests/browser tests/node; do \
	  $(BIN)/npm install --prefix $$package --package-lock-only --ignore-scripts \
	    --omit-lockfile-registry-resolved --no-audit --no-fund || exit 1; \
	done

clean:  ## remove everything that was set up or built
	rm -rf $(VENV) node_modules */node_modules tests/*/node_modules .local-aws cdk.out build dist .coverage htmlcov
	rm -rf .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV_READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo '$(PYTHON) is not Python 3.11 or newer. Name one that is: make $(MAKECMDGOALS) PYTHON=python3.12'; exit 1; }
	@echo '== Creating $(VENV), once, in some seconds'
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(TEMPLATE_READY) $(LOCAL_AWS_READY) $(PYTHON_READY): $(VENV)/.%-ready: uv.lock pyproject.toml $(VENV_READY)
	@$(INSTALL) $*
	@touch $@

# It writes into the same environment.
$(PYTHON_READY): $(LOCAL_AWS_READY)

$(LOWEST_READY) $(AWS_CLI_READY): $(VENV)/%/.ready: uv.lock $(PYTHON_READY)
	rm -rf $(@D)
	@$(INSTALL) $* --target $(@D)
	@touch $@

PIP_INSTALL := $(BIN)/pip install -q --disable-pip-version-check --no-deps --no-compile --only-binary :all: --require-hashes

# The oldest SDK that a Lambda runtime of the functions is known to have had: python3.14, arm64, us-east-1, May 2026.
$(OLDEST_SDK_READY): tests/oldest_sdk/requirements.txt $(PYTHON_READY)
	@echo '== Setting up the oldest SDK that a Lambda runtime had, for the tests'
	rm -rf $(@D)
	$(PIP_INSTALL) --target $(@D) -r $<
	@touch $@

$(TYPESCRIPT_READY): examples/typescript/package.json examples/typescript/package-lock.json $(PYTHON_READY)
	@echo '== Setting up the CDK for TypeScript, for the tests'
	mkdir -p $(@D) && cp examples/typescript/package*.json $(@D)
	$(BIN)/npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund
	@touch $@

# CPython 3.14 as WebAssembly, the one package of the tests that has native code, and a validator of state machines.
$(RUNTIME_READY): tests/node/package.json tests/node/package-lock.json uv.lock $(PYTHON_READY)
	@echo '== Setting up the Python of the functions and a validator, for the tests'
	rm -rf $(@D)
	$(BIN)/npm ci --prefix tests/node --ignore-scripts --no-audit --no-fund
	mkdir $(@D)
	$(EXPORT) --only-group dev | sed -n '/^hypothesis==/,/[^\\]$$/p' >$(@D)/requirements.txt
	$(PIP_INSTALL) --target $(@D) --python-version 3.14 --platform pyemscripten_2026_0_wasm32 -r $(@D)/requirements.txt
	@touch $@

$(CLI_READY): package.json package-lock.json $(LOCAL_AWS_READY)
	@echo '== Installing the CDK CLI, in some seconds'
	@npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(BROWSER_READY): tests/browser/package.json tests/browser/package-lock.json tests/browser/unpack.mjs $(PYTHON_READY)
	@echo '== Setting up a headless Chromium, for the tests of the report'
	$(BIN)/npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund
	$(BIN)/node tests/browser/unpack.mjs
	@touch $@
