# Everything here is done by scripts in tools/; this file only names them. `make help` lists the targets.
# Needs make, bash and a Python from 3.11 on; the scripts get the rest (Blender as a module, linters, libraries) through
# pip and apt into $MOVIE_DIRECTOR_CACHE, default ~/.cache/movie-director-dev.

SHELL := bash
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$p" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$p"; break; }; done)
ifeq ($(strip $(PYTHON)),)
$(error Python 3.11 or newer is needed and none was found; name one with `make PYTHON=/path/to/python3.11 ...`)
endif
# arguments for pytest: make test-unit ARGS="-k retry"
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup build lock demo test test-unit test-integration test-blender test-gui test-litellm test-cog test-rvc test-gradio lint format types bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make every environment that the tests need (3 GB, some minutes; only what is missing)
	@"$(PYTHON)" tools/run_tests.py setup

build: ## build dist/movie_director-VERSION.zip
	@"$(PYTHON)" tools/build_extension.py

lock: ## bring the bundled wheels to their newest versions
	@"$(PYTHON)" tools/wheel_lock.py lock

demo: ## make a short film in a headless Blender with the embedded mock servers; results in demo/out
	@PYTHON="$(PYTHON)" tools/demo.sh

test: ## everything: lint, types, all tests on all Pythons and Blenders, coverage gate
	@"$(PYTHON)" tools/run_tests.py all -- $(ARGS)

test-unit: ## unit and contract tests on Python 3.11
	@"$(PYTHON)" tools/run_tests.py unit -- $(ARGS)

test-integration: ## integration tests on Python 3.11
	@"$(PYTHON)" tools/run_tests.py integration -- $(ARGS)

test-blender: ## the headless suite in Blender 4.2, 4.5 and 5.2 (make test-blender BLENDER=4.5: only that one)
	@"$(PYTHON)" tools/run_tests.py $(if $(BLENDER),blender-$(BLENDER),blender) -- $(ARGS)

test-gui: ## a real Blender with a window under Xvfb (Debian, as root)
	@"$(PYTHON)" tools/gui_test.py $(ARGS)

test-litellm: ## only the text client against the real LiteLLM proxy, in an environment of its own (750 MB)
	@"$(PYTHON)" tools/run_tests.py litellm -- $(ARGS)

test-gradio: ## only the Gradio clients against real servers of Gradio 4, 5 and 6, in environments of their own (1.4 GB)
	@"$(PYTHON)" tools/run_tests.py gradio -- $(ARGS)

test-cog: ## only the client of sounds against real Cog servers, in environments of their own (120 MB)
	@"$(PYTHON)" tools/run_tests.py cog -- $(ARGS)

test-rvc: ## only the client of voices against the API server of rvc-python, in an environment of its own (45 MB)
	@"$(PYTHON)" tools/run_tests.py rvc -- $(ARGS)

lint: ## ruff: rules and format
	@"$(PYTHON)" tools/run_tests.py lint

types: ## mypy: clients/ and runtime/ strictly, the bpy code once per Blender version
	@"$(PYTHON)" tools/run_tests.py types

format: ## let ruff format and repair
	@"$(PYTHON)" tools/run_tests.py format

bench: ## the benchmarks
	@"$(PYTHON)" tools/run_tests.py bench

clean: ## remove what was built in this folder (the shared cache stays)
	rm -rf build dist demo/out *.egg-info .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
