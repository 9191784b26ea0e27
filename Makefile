# Two commands do everything on a fresh machine: `make demo` and `make test`.
# Where ROS 2 is installed (ROS_DISTRO is set, or rclpy imports), its rclpy is used and no
# ros-* wheel is installed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.installed-docs

SYSTEM_ROS := $(shell [ -n "$$ROS_DISTRO" ] && echo yes || \
	$(PYTHON) -c 'import rclpy' >/dev/null 2>&1 && echo yes)
ifeq ($(SYSTEM_ROS),yes)
VENV_FLAGS := --system-site-packages
EXTRAS := test
CONSTRAINTS := constraints-system-ros.txt
else
VENV_FLAGS :=
EXTRAS := ros,test
CONSTRAINTS := constraints.txt
endif

.PHONY: demo results check lint test test-slow docs doctor clean

demo: $(STAMP)
	$(BIN)/vlm-misalign demo

# The published result: scenes, run, README's table and sentences, plot; hours.
# `make results RUN=runs/results` makes these from a run that is there.
results: $(STAMP)
	$(BIN)/python benchmarks/results.py $(if $(RUN),--run $(RUN))

# About six minutes on two cores: what every commit has to pass.
check: lint
	$(BIN)/python -m pytest -m 'not slow and not heavy' \
		--hypothesis-profile=check

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Under half an hour on two cores.
test: $(STAMP)
	$(BIN)/python -m pytest

# What takes longer; CI runs it too.
test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

# The docs site, in build/docs; a warning, a link that leads nowhere and a page without a place in
# docs/index.md are errors. Half a minute.
docs: $(DOCS_STAMP)
	@rm -rf build/docs
	$(BIN)/python -m sphinx -q -W --keep-going -E -b html -c docs -d build/doctrees . build/docs
	@echo 'build/docs/index.html'

doctor: $(STAMP)
	$(BIN)/vlm-misalign doctor

$(STAMP): setup.py $(CONSTRAINTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo 'Python 3.10 or newer is needed; set PYTHON=/path/to/python3'; exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV_FLAGS) $(VENV)
	@echo 'Installing into $(VENV) (PyTorch is large; a few minutes the first time) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
		-c $(CONSTRAINTS) -e '.[$(EXTRAS)]'
	@touch $(STAMP)

$(DOCS_STAMP): $(STAMP)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
		-c $(CONSTRAINTS) -e '.[$(EXTRAS),docs]'
	@touch $(DOCS_STAMP)

clean:
	rm -rf $(VENV) build install log .pytest_cache .mypy_cache .ruff_cache *.egg-info
