# Two commands for a newcomer: `make demo` and `make test`. Both set everything up the first time.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: demo test lint format setup clean

demo: setup examples
	mkdir -p out
	$(RUN) -m sonic_core generate --image examples/portrait.jpg --audio examples/speech.flac --output out/demo.mp4

# Copied, and not in the repository: ComfyUI would look for the pack's workflow templates in a folder of this name.
examples: web/samples
	mkdir -p examples
	cp web/samples/sonic_portrait.jpg examples/portrait.jpg
	cp web/samples/sonic_speech.flac examples/speech.flac
	touch examples

test: setup
	$(RUN) -m pytest

lint: setup
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

format: setup
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

setup: $(VENV)/ready

# Pinned here, open in pyproject.toml: the pack installs into other people's environments.
$(VENV)/ready: pyproject.toml constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[storage,fleet,provenance,dev]'
	touch $@

clean:
	rm -rf $(VENV) out examples
