# make train [TASK=classification|detection|segmentation|segmentation_local]   train, evaluate and picture a small FEC on real digits
# make test                                                 run the tests; test-slow, test-compile, test-faults, test-gpu: the marked ones
# make gpu-report [ARGS=...]                                whether it works on this GPU, and how fast
# make probe                                                the study of docs/probing.md on digits; JOBS=2 runs at a time
# make lint                                                 ruff (format and rules) and mypy; make format: lay the code out
# make setup                                                only create .venv; every other target does it when needed
# make light                                                the same without compiling mmcv: classification and probing
PYTHON ?= python3
TASK ?= classification
MAX_JOBS ?= 2
JOBS ?= 2
PY := .venv/bin/python
PIP := $(PY) -m pip install --progress-bar off
BUILD_TOOLS := torch== setuptools wheel ninja psutil numpy
MMCV := $(shell grep '^mmcv==' requirements.txt)

.PHONY: setup light train probe test test-slow test-compile test-faults test-gpu gpu-report lint format clean
.DELETE_ON_ERROR:

setup: .venv/installed

light: .venv/light

# What classification and probing need, without a compiler: mmcv-lite is mmcv without its compiled operators.
# torch and the build tools come first: what is built must see the installed torch.
# Beside a CPU-only torch, torchvision cannot load its compiled part: there, and only there, fec_mm/compat mends its import
# for every program of this environment, the toolboxes' own tools among them.
.venv/light: requirements.txt setup.py
	test -x $(PY) || $(PYTHON) -m venv .venv
	$(PIP) $(foreach tool,$(BUILD_TOOLS),"$(shell grep '^$(tool)' requirements.txt | sed 's/ *\#.*//')")
	$(PY) -c 'import mmcv' 2>/dev/null || $(PIP) "$(subst mmcv,mmcv-lite,$(MMCV))"
	grep -v '^mmcv==' requirements.txt > .venv/requirements.txt
	$(PIP) --no-build-isolation -r .venv/requirements.txt
	$(PIP) --no-build-isolation --no-deps -e .
	$(PY) -c 'import torchvision' 2>/dev/null || echo 'import fec_mm.compat; fec_mm.compat.await_torchvision()' \
	  > "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/fec_mm_torchvision.pth"
	$(PY) -c 'import torchvision'
	touch $@

# Detection, segmentation and the tests need the operators. PyPI has their source alone.
.venv/installed: .venv/light
	$(PY) -c 'import mmcv.ops' 2>/dev/null || { echo "compiling mmcv, once: about 6 minutes on two cores"; \
	  PATH="$(CURDIR)/.venv/bin:$$PATH" CFLAGS="-g0 -O2" MAX_JOBS=$(MAX_JOBS) \
	  $(PY) -m pip wheel --no-build-isolation --no-deps --wheel-dir .venv/wheels "$(MMCV)" && \
	  $(PY) -m pip uninstall --yes mmcv-lite && $(PIP) --no-deps .venv/wheels/mmcv-*.whl; }
	$(PY) -c 'import mmcv.ops'
	touch $@

train: $(if $(filter classification,$(TASK)),.venv/light,.venv/installed)
	$(PY) tools/quickstart.py $(TASK)

probe: .venv/light
	$(PY) tools/probing_study.py --jobs $(JOBS)

test: setup
	$(PY) -m pytest

test-compile: setup
	$(PY) -m pytest -m 'compile and not cuda'

test-slow: setup
	$(PY) -m pytest -m 'slow and not cuda and not faults'

test-faults: setup data/digits/settings.json data/digit_scenes/settings.json
	$(PY) -m pytest -m 'faults and not cuda'

data/digits/settings.json: | setup
	$(PY) tools/dataset_converters/digits.py

data/digit_scenes/settings.json: | setup
	$(PY) tools/dataset_converters/digit_scenes.py

test-gpu: setup
	$(PY) -m pytest -m cuda

gpu-report: setup
	$(PY) tools/analysis_tools/gpu_report.py $(ARGS)

lint: setup
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy

format: setup
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

clean:
	rm -rf .venv build *.egg-info
