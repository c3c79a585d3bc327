# Every job of the project; `make help` lists them. Only .venv/bin/python -m pip installs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
# For builds of torch without CUDA: make test TORCH_INDEX=<PyTorch's index of CPU wheels>
TORCH_INDEX ?=
JETSON ?= $(wildcard /etc/nv_tegra_release)
PYTEST_ARGS ?=
# What PyAudio and PyGObject need to be built, and what their tests capture through.
SYSTEM := gcc gir1.2-gst-plugins-base-1.0 gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good libasound2-plugins libcairo2-dev libgirepository1.0-dev \
	pkg-config portaudio19-dev pulseaudio pulseaudio-utils python3-dev

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := check
.NOTPARALLEL:
.DELETE_ON_ERROR:
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: audio bench build check clean demo gstreamer help imports lint runtime-min suite system \
	test types unit wheel-test

## For users

demo: $(VENV)/runtime.stamp ## stream the shipped bundle over the embedded source
	$(BIN)/edge-affect demo

test: audio gstreamer lint types imports suite wheel-test ## lint, types, import rules, every test

system: ## install with apt, as root, what PyAudio, PyGObject and their tests need
	@if [ "$$(id -u)" != 0 ]; then \
		echo "make system: needs root, got user $$(id -un); run: sudo make system" >&2; \
		exit 1; \
	fi
	@installed="$$(dpkg-query -W -f '$${db:Status-Status}\n' $(SYSTEM) 2>/dev/null | \
		grep -cx installed || true)"; \
	if [ "$$installed" != $(words $(SYSTEM)) ]; then \
		export DEBIAN_FRONTEND=noninteractive; \
		apt-get update --quiet && \
		apt-get install --quiet --yes --no-install-recommends $(SYSTEM); \
	fi

help: ## list the jobs
	@sed -nE 's/^## (.*)/\n\1/p; s/^([a-z-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | \
		expand --tabs=15

## For developers

check: lint types imports unit runtime-min ## the quick jobs; what a bare `make` runs

lint: $(VENV)/dev.stamp ## ruff's rules and format, spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

types: $(VENV)/dev.stamp ## mypy --strict
	$(BIN)/mypy

imports: $(VENV)/dev.stamp ## who may import whom
	$(BIN)/lint-imports --no-logo

unit: $(VENV)/dev.stamp ## the quick unit tests
	$(BIN)/python -m pytest tests/unit -m "not slow and not bench" $(PYTEST_ARGS)

suite: $(VENV)/dev.stamp ## the whole test suite, without the wheel's
	$(BIN)/python -m pytest $(PYTEST_ARGS)

runtime-min: $(VENV)/dev.stamp ## the runtime's tests from the wheel, on this Python
	$(BIN)/python tests/wheel_matrix.py --this

wheel-test: $(VENV)/dev.stamp ## the same on every Python 3.10-3.13 found here
	$(BIN)/python tests/wheel_matrix.py

bench: $(VENV)/dev.stamp ## accuracy of the shipped bundle on EDGE_AFFECT_DATA
	@if [ -z "$${EDGE_AFFECT_DATA:-}" ]; then \
		echo "make bench: set EDGE_AFFECT_DATA to the folder of the data sets" >&2; \
		exit 1; \
	fi
	$(BIN)/python -m benchmarks accuracy --data "$$EDGE_AFFECT_DATA" \
		--json runs/accuracy.json

bundle: $(VENV)/dev.stamp ## train, quantize, pack and measure a bundle: DATA=ROOT SIZE=s|n
	@if [ -z "$(DATA)" ]; then \
		echo "make bundle: got no DATA, expected DATA=ROOT, the folder of the data sets" >&2; \
		exit 1; \
	fi
	$(BIN)/python -m deploy build --data "$(DATA)" --size $(or $(SIZE),s) \
		--version $(or $(VERSION),0.6.0)

build: $(VENV)/dev.stamp ## sdist and wheel into dist/
	$(BIN)/python -m build

clean: ## remove what the jobs leave behind, but not .venv
	rm -rf build dist *.egg-info .coverage .hypothesis .import_linter_cache \
		.mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# The environment. A stamp says that its extras are installed for this pyproject.toml.

define BARE
edge_affect needs Python 3.10 or newer with its venv module. On Debian and Ubuntu, as root:
    apt install git make python3 python3-venv
then run make again; another Python is named by make PYTHON=/path/to/python3
endef
export BARE

$(BIN)/python:
	@$(PYTHON) -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' \
		2>/dev/null || { echo "$$BARE" >&2; exit 1; }
	$(PYTHON) -m venv $(if $(JETSON),--system-site-packages) $(VENV) || \
		{ rm -rf $(VENV); exit 1; }

# JetPack's OpenCV has GStreamer, the wheel's has not; it was built for numpy 1.
define keep_jetpack
$(if $(JETSON),if $(PYTHON) -c 'import cv2' 2>/dev/null; then \
	$(PIP) uninstall --quiet --yes opencv-python-headless; fi)
endef

$(VENV)/runtime.stamp: pyproject.toml | $(BIN)/python
	@echo "Installing the runtime into $(VENV)"
	$(PIP) install --quiet --editable '.[media]' $(if $(JETSON),'numpy<2')
	$(keep_jetpack)
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	@echo "Installing the development extras into $(VENV); the first time takes minutes"
	$(PIP) install --quiet --editable '.[dev-no-audio]' $(if $(JETSON),'numpy<2') \
		$(if $(TORCH_INDEX),--extra-index-url '$(TORCH_INDEX)')
	$(keep_jetpack)
	@touch $@ $(VENV)/runtime.stamp

# PyAudio is apart: without PortAudio's headers everything else still works. No stamp is
# left then, so that the next run tries again.
audio: $(VENV)/dev.stamp
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		$(MAKE) --no-print-directory system || \
			echo "make system failed; going on without what it installs" >&2; \
	fi
	@if [ $(VENV)/audio.stamp -nt pyproject.toml ]; then exit; fi; \
	if echo '#include <portaudio.h>' | $(CC) -E - >/dev/null 2>&1 && \
		$(PIP) install --quiet --editable '.[audio]'; \
	then touch $(VENV)/audio.stamp; \
	else \
		echo "PyAudio cannot be built here: the tests marked mic will skip." >&2; \
		echo "To run them: sudo make system, then make test" >&2; \
	fi

# The same for PyGObject and the headers of GObject and cairo.
gstreamer: audio
	@if [ $(VENV)/gstreamer.stamp -nt pyproject.toml ]; then exit; fi; \
	if pkg-config --exists gobject-introspection-1.0 cairo-gobject 2>/dev/null && \
		$(PIP) install --quiet --editable '.[gstreamer]'; \
	then touch $(VENV)/gstreamer.stamp; \
	else \
		echo "PyGObject cannot be built here: the tests marked gst will skip." >&2; \
		echo "To run them: sudo make system, then make test" >&2; \
	fi
