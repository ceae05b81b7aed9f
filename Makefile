# `make run` and `make test` are the two commands of this project; `make help` lists the rest. Each makes the
# environment when it has to, and starts at once, without the network, when it does not.
#
# There is one environment, .venv, for everything a learner does. Most of it is torch, so a lighter one for `make run`
# would save little, and `make test` or `make lab` would then install, and need the network, once more. What few need
# (nbgrader, other people's evaluation tools) is there only when EXTRAS names it, as .ci/run does; without it, the
# tests that need it skip themselves.
#
# Written for GNU make 3.81, which macOS ships: no .ONESHELL, no $(file ...).

PYTHON ?=
VENV   := .venv
PY     := $(VENV)/bin/python
READY  := $(VENV)/.ready
BOOK   := $(VENV)/.ready-book
PEERS  := .venv-bench
EXTRAS ?= course,test,dev
ARGS   ?=

# The Pythons we look at when PYTHON is not given; the first that is suitable is taken.
PYTHONS := $(or $(PYTHON),python3 python3.10 python3.11 python3.12 python3.13 python3.14)

# An environment whose Python has gone (an upgrade, a moved folder) is not ready.
$(shell test -x $(PY) || rm -f $(READY) $(BOOK))

.PHONY: help run test lab notebooks book slides release bench lint lock clean
.DEFAULT_GOAL := help

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo "  Options:   make run ARGS=\"--epochs 2\"    make test ARGS=\"-k loss\"    make run PYTHON=python3.12"

run: $(READY)  ## fine-tune the pocket GPT-2 and report how good it became
	@$(PY) -m ift_lib run $(ARGS)

# The outputs of the notebooks are compared with those they print now, in the Python of this environment.
test: $(READY)  ## check the style, run every test and every notebook
	@$(PY) -m ruff check .
	@$(PY) -m pytest --nbval --nbval-current-env --nbval-cell-timeout=300 $(ARGS)

lab: $(READY)  ## open the chapters in JupyterLab
	@$(PY) -m jupyterlab --LabApp.default_url=/lab/tree/chapters $(ARGS)

notebooks: $(READY)  ## build and run the chapters from their text sources
	@$(PY) tools/build_notebooks.py $(ARGS)

book: $(BOOK)  ## build the book, book/_build/html/index.html
	@$(PY) tools/build_book.py $(ARGS)

slides: $(READY)  ## make slides from the tagged cells of the chapters, in build/slides
	@$(PY) tools/build_slides.py $(ARGS)

release: $(READY)  ## one zip in dist/; with all packages, for a place without a network: ARGS=--wheels
	@$(PY) tools/make_release.py $(ARGS)

bench: $(PEERS)/.ready  ## time us beside the peers (half an hour; the machine must do nothing else)
	@$(PEERS)/bin/python bench/speed.py $(ARGS)

lint: $(READY)  ## formatter, linter and types
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy

lock:  ## take the newest versions into constraints.txt (see the note at its top)
	@{ grep '^#' constraints.txt; grep '^torch==' constraints.txt | uv pip compile --quiet --universal \
	    --python-version 3.10 --all-extras --no-header --no-annotate --constraint - pyproject.toml; } \
	    > constraints.new && mv constraints.new constraints.txt || { rm -f constraints.new; exit 1; }

clean:  ## remove the environment, the caches and the built book; runs and data stay
	rm -rf $(VENV) $(PEERS) .pytest_cache .ruff_cache .mypy_cache .hypothesis build ift_lib.egg-info book/_build
	find ift_lib tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamp is the last thing written, so an install that was interrupted leaves none, and the next call begins
# with an empty environment: pip cannot tell a half-copied package from a whole one.
$(READY): pyproject.toml constraints.txt
	@if [ ! -f $@ ]; then \
	    found=; unfit=; novenv=; \
	    for python in $(PYTHONS); do \
	        if $$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; then \
	            if $$python -c 'import ensurepip, venv' 2>/dev/null; then found=$$python; break; fi; \
	            novenv=$${novenv:-$$python}; \
	        else \
	            unfit="$$unfit $$($$python -c 'import platform; print(platform.python_version())' 2>/dev/null)"; \
	        fi; \
	    done; \
	    if [ -z "$$found" ] && [ -n "$$novenv" ]; then \
	        echo "$$novenv has no venv module. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; \
	    elif [ -z "$$found" ]; then \
	        echo "This project needs Python 3.10 to 3.14; found:$${unfit:- none}." >&2; \
	        echo "If one is installed elsewhere: make PYTHON=/path/to/python3.12" >&2; exit 1; \
	    fi; \
	    echo "Making $(VENV) with $$found ($$($$found --version)); the first time takes some minutes."; \
	    rm -rf $(VENV) && $$found -m venv $(VENV) || exit 1; \
	fi
	@rm -f $@
	@$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@

# The peers have an environment of their own: what they ask for is large, and some of it contradicts the rest.
$(PEERS)/.ready: $(READY) bench/requirements.txt bench/requirements-alone.txt
	@rm -rf $(PEERS) && $(PY) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check -c constraints.txt -r bench/requirements.txt -e .
	@$(PEERS)/bin/python -m pip install --disable-pip-version-check --no-deps -r bench/requirements-alone.txt
	@touch $@

# What only the book needs is installed when it is first built.
$(BOOK): $(READY)
	@$(PY) -m pip install --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS),book]"
	@touch $@
