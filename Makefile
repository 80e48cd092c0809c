# Everything starts from Python >= 3.11 and make. `.venv` is made on the first call, and kept.
#
#   make demo       count what crosses a line on three clips: out/demo.mp4, .png, .csv (no torch)
#   make pipeline   train, export through the gate, run: the whole story in a few minutes
#   make test       all tests but the slow ones, on two workers (WORKERS=8 takes more)
#   make test-quick the runtime's tests, without those that start cameras, servers or programs
#   make test-all   every test, and which modules they cover least
#   make check      format, lint, types, import rules
#   make test-compat   installed from source with the oldest and the newest libraries
#   make test-arm64    the bundled models on ARM64: emulated on x86-64, itself on an ARM64 machine

PYTHON ?= python3
OUT ?= out

# Two environments, so that the demo proves that the runtime needs no torch.
DEMO := .venv/demo
DEV := .venv/dev
DEMO_READY := $(DEMO)/.ready
DEV_READY := $(DEV)/.ready
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# The tests of a file share fixtures, so they run on the same worker.
WORKERS ?= 2
PYTEST := $(DEV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

# Kept, so that the next call is faster; a folder of the same kind from elsewhere does as well.
ARM64 := .cache/arm64
# Names of processors that QEMU knows: cortex-a72 is that of a Raspberry Pi 4, cortex-a76 of a 5.
ARM64_CPU := cortex-a72

.PHONY: demo pipeline test test-quick test-all test-compat test-arm64 check format clean

demo: $(DEMO_READY)
	$(DEMO)/bin/spotlet demo --out $(OUT)

pipeline: $(DEV_READY)
	rm -rf $(OUT)/pipeline
	$(DEV)/bin/spotlet scenes $(OUT)/pipeline/scenes --count 1600 --val 100 --objects sample
	$(DEV)/bin/spotlet train $(OUT)/pipeline/scenes --epochs 8 --out $(OUT)/pipeline/training
	$(DEV)/bin/spotlet export $(OUT)/pipeline/training/best.safetensors \
		--data $(OUT)/pipeline/scenes --out $(OUT)/pipeline/model
	$(DEV)/bin/spotlet check $(OUT)/pipeline/model
	$(DEV)/bin/spotlet demo --model $(OUT)/pipeline/model --out $(OUT)/pipeline

test: $(DEV_READY)
	$(PYTEST) -m "not slow"

test-quick: $(DEV_READY)
	$(PYTEST) -m "not slow and not live" tests/runtime

# Prints the least covered modules and the total; code that runs in other processes does not count.
test-all: $(DEV_READY)
	$(PYTEST) --cov --cov-report=
	$(DEV)/bin/python -m coverage report --sort=cover | sed -n '1,12p;$$p'

# The source distribution with its base dependencies alone. The environments are kept; each call
# installs it anew, and into the newest whatever came out since. PYTHON=python3.13 for another.
test-compat:
	$(PYTHON) tests/compatibility/installs.py .venv/compat

test-arm64: $(DEMO_READY)
	PYTHONPATH=tests $(DEMO)/bin/python -m arm64.check --cache $(ARM64) --cpu $(ARM64_CPU)

check: $(DEV_READY)
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/ruff check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports

format: $(DEV_READY)
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

clean:
	rm -rf .venv out build dist

$(DEMO_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP_INSTALL) --editable ".[evaluation]"
	touch $@

$(DEV_READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/python $(PIP_INSTALL) --editable ".[dev]"
	touch $@
