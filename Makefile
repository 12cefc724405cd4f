# make train [TASK=classification|detection|segmentation]   train, evaluate and picture a small FEC on real digits
# make test                                                 run the tests (`make test-slow`, `make test-gpu`: the marked ones)
# make setup                                                only create .venv; every other target does it when needed
PYTHON ?= python3
TASK ?= classification
PY := .venv/bin/python
PIP := $(PY) -m pip install --progress-bar off
MAX_JOBS ?= 2

.PHONY: setup train test test-slow test-gpu lint clean
.DELETE_ON_ERROR:

setup: .venv/installed

# torch and the build tools first, then mmcv compiled against them (about 5 minutes), then everything else.
.venv/installed: requirements.txt setup.py
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PIP) $$(sed -n 's/ *#.*//; /^\(torch\|setuptools\|wheel\|ninja\|psutil\|numpy\)[<>=]*/p' requirements.txt | grep -v torchvision)
	$(PY) -c 'import mmcv.ops' 2>/dev/null || \
	  PATH="$(CURDIR)/.venv/bin:$$PATH" CFLAGS="-g0 -O2" MAX_JOBS=$(MAX_JOBS) $(PIP) --no-build-isolation $$(grep '^mmcv==' requirements.txt)
	$(PY) -c 'import mmcv.ops'
	$(PIP) --no-build-isolation -r requirements.txt
	$(PIP) --no-build-isolation --no-deps -e .
	touch $@

test: setup
	$(PY) -m pytest

test-slow: setup
	$(PY) -m pytest -m 'slow and not cuda'

test-gpu: setup
	$(PY) -m pytest -m cuda

lint: setup
	.venv/bin/ruff check . && .venv/bin/mypy

clean:
	rm -rf .venv build *.egg-info
