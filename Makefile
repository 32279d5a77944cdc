# `make train` and `make test` make .venv by themselves; `make` alone lists the targets.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The Python that .venv is made with (PYTHON=python3.12); once there is a .venv, its own.
PYTHON ?= $(firstword $(wildcard .venv/bin/python) python3)
ARGS ?=
JOBS ?= 2

# Without a screen MuJoCo renders through EGL. Only where EGL is installed: with MUJOCO_GL=egl
# and no libEGL even `import mujoco` fails, which training without pictures need not suffer.
ifeq ($(DISPLAY)$(WAYLAND_DISPLAY),)
ifneq ($(shell PATH="$$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null | grep -F libEGL.so.1),)
export MUJOCO_GL ?= egl
endif
endif

# Where this is set, as in many containers, Python compiles what it imports anew in every process, torch
# among it, which takes seconds: it may write what it compiled into .venv.
unexport PYTHONDONTWRITEBYTECODE

# A stamp for what training needs, one for what tests need besides, one for the site. Their names hold
# this folder and the Python: a copied .venv, which would run the code of the folder that it was copied from, and
# another PYTHON are set up again.
ID := $(shell { pwd; $(PYTHON) -V || true; } 2>&1 | cksum | cut -d' ' -f1)
RUN := .venv/.ready-$(ID)
DEV := .venv/.ready-dev-$(ID)
DOCS := .venv/.ready-docs-$(ID)
PIP := -m pip --disable-pip-version-check

.PHONY: help train compare paper test slow extras engines lint format tensorboard benchmark gpu docs wheel peers authors lock clean

help: ## List the targets
	@echo 'make TARGET [ARGS="..."] [PYTHON=python3.12]'
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1|\2/p' Makefile | column -t -s '|' 2>/dev/null \
		|| sed -nE 's/^([a-z-]+):[^#]*## (.*)/  \1  \2/p' Makefile

train: $(RUN) ## Train: make train ARGS="algo=sql dataset=antmaze-umaze seed=3"
	@.venv/bin/python train.py $(ARGS)

compare: $(RUN) ## Train the methods that the paper compares, 3 seeds, equal updates; ARGS as for train
	@folder=outputs/compare/$$(date +%Y-%m-%d_%H-%M-%S); \
	status=0; .venv/bin/python train.py experiment=compare hydra.sweep.dir=$$folder $(ARGS) || status=$$?; \
	if compgen -G "$$folder/*/result.json" >/dev/null; then \
		.venv/bin/python report.py folder=$$folder x=algo; fi; exit $$status

SCALE ?= smoke
paper: $(RUN) ## The paper's tables, figures and claims: SCALE=smoke (minutes), night, full
	@.venv/bin/python paper.py scale=$(SCALE) $(ARGS)

test: lint ## Lint, then the fast tests (what CI runs); ARGS go to pytest
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} .venv/bin/python -m pytest -q -n $(JOBS) --dist loadscope $(ARGS)

slow: $(DEV) ## The slow tests as well; real data: IVR_SHARED_DATA=FOLDER
	@.venv/bin/python -m pytest -q -m "not peers and not extras and not engines" --timeout 1800 $(ARGS)

extras: $(DEV) ## Install W&B and MLflow, and test their loggers
	@.venv/bin/python $(PIP) install -q -c constraints.txt -e ".[dev,onnx,wandb,mlflow]"
	@.venv/bin/python -m pytest -q -m extras $(ARGS)

engines: $(DEV) ## Install joblib, submitit, Ray and Optuna, and run real sweeps on them
	@.venv/bin/python $(PIP) install -q -c constraints.txt -e ".[dev,joblib,slurm,ray,optuna]"
	@.venv/bin/python -m pytest -q -m engines --timeout 900 $(ARGS)

lint: $(DEV) ## Check style, formatting and types
	@.venv/bin/python -m ruff check --quiet
	@.venv/bin/python -m ruff format --check --output-format concise \
		|| { echo '`make format` mends the formatting.'; exit 1; }
	@.venv/bin/python -m mypy

format: $(DEV) ## Format the code and mend what ruff can
	@.venv/bin/python -m ruff check --fix --quiet || true
	@.venv/bin/python -m ruff format

tensorboard: $(RUN) ## Show the curves of every run under outputs/
	@.venv/bin/python -m tensorboard.main --logdir outputs $(ARGS)

benchmark: $(DEV) ## Speed, memory and start-up, as ratios and tables
	@for program in throughput limit scaling startup memory evaluation; do \
		echo; echo "# benchmarks/$$program.py"; .venv/bin/python benchmarks/$$program.py; done

gpu: $(DEV) ## Check and time a GPU, in under eight minutes
	@.venv/bin/python benchmarks/gpu.py $(ARGS)

docs: $(DOCS) ## The site, into build/site; a broken link or anchor is an error
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build -q $(ARGS)
	@echo "build/site/index.html"

wheel: ## The package, into dist/, tried in a fresh environment outside of this folder
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; here=$$PWD; \
	$(PYTHON) -m venv "$$folder/venv"; \
	"$$folder/venv/bin/python" $(PIP) wheel -q --no-deps -w dist .; \
	"$$folder/venv/bin/python" $(PIP) install -q --no-compile -c constraints.txt dist/ivr-*.whl; \
	cd "$$folder"; venv/bin/ivr train num_updates=200 eval_every=200 eval_episodes=1 $(ARGS); \
	ls outputs/*/*/*/result.json >/dev/null; ls "$$here"/dist/ivr-*.whl

peers: ## Another library to measure against, in an environment of its own
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python $(PIP) install -q "d3rlpy==2.8.1" "torch>=2.9,<2.14"

AUTHORS ?= https://github.com
authors: ## The authors' JAX code to hold ours against, likewise; AUTHORS=another place of it
	@$(PYTHON) -m venv --clear .venv-authors
	@.venv-authors/bin/python $(PIP) install -q "jax==0.4.30" "jaxlib==0.4.30" "flax==0.8.5" \
		"optax==0.2.2" "tensorflow-probability==0.24.0" "numpy<2"
	@for repository in ryanxhr/IVR ikostrikov/implicit_q_learning Div99/XQL; do \
		git clone -q --depth 1 "$(AUTHORS)/$$repository" ".venv-authors/$${repository#*/}"; done

lock: ## Write constraints.txt anew from pyproject.toml
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder" constraints.txt.new' EXIT; \
	echo 'Resolving the newest releases that pyproject.toml takes (a few minutes) ...'; \
	$(PYTHON) -m venv "$$folder"; \
	"$$folder/bin/python" $(PIP) install -qq -e ".[dev,docs,wandb,mlflow,joblib,slurm,ray,optuna]"; \
	{ sed -n '/^#/p' constraints.txt; \
	"$$folder/bin/python" $(PIP) list --format=freeze --exclude-editable --exclude pip --exclude ivr \
		| grep -viE '^(nvidia|cuda|triton)' | sed -E 's/\+.*//' | LC_ALL=C sort -f; } > constraints.txt.new; \
	mv constraints.txt.new constraints.txt; \
	rm -f .venv/.ready-*; git diff --stat -- constraints.txt 2>/dev/null || true

clean: ## Remove .venv, .venv-peers, .venv-authors and the tools' caches; outputs/ stays
	@rm -rf .venv .venv-peers .venv-authors .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist src/*.egg-info
	@find . -name __pycache__ -type d -not -path './outputs/*' -prune -exec rm -rf {} +

$(RUN): WANTED := .
$(DEV): WANTED := .[dev]
$(DOCS): WANTED := .[docs]
$(RUN) $(DEV) $(DOCS): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "ivr needs Python 3.11 or newer; $(PYTHON) is: $$($(PYTHON) -V 2>&1 || true)"; \
		echo 'Name another one, as in: make train PYTHON=python3.12'; exit 1; } >&2
	@if [ "$$(.venv/bin/python -V 2>&1)" != "$$($(PYTHON) -V 2>&1)" ]; then \
		echo 'Setting up .venv (once, a minute or two) ...'; \
		$(PYTHON) -m venv --clear .venv || { \
			echo 'Could not make .venv. On Debian and Ubuntu: sudo apt install python3-venv'; \
			exit 1; } >&2; \
	else echo 'Bringing .venv up to date ...'; fi
	@find .venv -maxdepth 1 -name '.ready-*' ! -name '*-$(ID)' -delete
	@bash scripts/install.sh $(WANTED)
	@touch $(RUN) $@
