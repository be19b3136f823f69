# One command per job. `make demo` and `make test` are the two a newcomer needs; `make check` is the fast lane.
# Python 3.13: requirements/find_python.py looks for one that runs, or uv fetches it; PYTHON=/path/to/python3.13 names another.
PYTHON ?=
VENV   := .venv
TOOLS  := .venv-tools
GATES  := .venv-gates
BENCHMARKS := .venv-benchmarks
UV     := $(VENV)/bin/uv
# Bytecode is compiled at install: without it every start of torch and timm costs seconds more. uv gives up after 60 s for
# a file, which a busy machine needs for torch's largest: 0 is no limit.
SYNC   := pip sync --quiet --require-hashes --compile-bytecode --link-mode hardlink
# Installing says nothing for a while on its own.
ALIVE  := seconds=0; (while sleep 5; do seconds=$$((seconds + 5)); echo "  still installing ($$seconds s)"; done) & \
          alive=$$!; trap 'kill $$alive' EXIT;
LOCK   := pip compile --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header --quiet
export SAM_CLI_TELEMETRY := 0
export UV_COMPILE_BYTECODE_TIMEOUT := 0
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo down test check install lock benchmarks format clean

demo: install
	@$(VENV)/bin/podium demo $(if $(NO_SERVER),--no-server)

down:
	@$(VENV)/bin/podium down

# The fast lane first, then the rest alone: its servers and its training want both cores.
test: check
	@$(VENV)/bin/pytest --durations=10 -m "torch or stack or tree" tests

check: install
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/hadolint model_server/Dockerfile
	@PYTHONPATH=functions:model_server $(VENV)/bin/lint-imports
	@$(VENV)/bin/pytest -q --numprocesses 2 -m "not torch and not stack and not tree" tests

install: $(VENV)/.installed $(TOOLS)/.installed $(GATES)/.installed

$(UV): requirements/bootstrap.txt requirements/find_python.py
	@for any in python3 python /usr/bin/python3; do \
	  $$any -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null && break; any=; done; \
	[ "$$any" ] || { echo "Podium's make needs some Python, 3.9 or later, and none runs here: install one."; exit 1; }; \
	python=$$($$any requirements/find_python.py $(PYTHON)) && echo "making $(VENV) with $$python" && $$python -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $(UV)

$(VENV)/.installed: $(UV) requirements/dev.txt requirements/bootstrap.txt pyproject.toml
	@echo "installing requirements/dev.txt into $(VENV) (torch is large: the first time takes a minute)"
	@$(ALIVE) VIRTUAL_ENV=$(VENV) $(UV) $(SYNC) requirements/dev.txt requirements/bootstrap.txt
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS)/.installed: $(UV) requirements/tools.txt
	@echo "installing requirements/tools.txt into $(TOOLS) (embedded AWS, SAM CLI, AWS CLI)"
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(TOOLS)
	@$(ALIVE) VIRTUAL_ENV=$(TOOLS) $(UV) $(SYNC) requirements/tools.txt
	@touch $@

$(GATES)/.installed: $(UV) requirements/gates.txt
	@echo "installing requirements/gates.txt into $(GATES) (checkov, parliament, pip-audit, detect-secrets)"
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(GATES)
	@$(ALIVE) VIRTUAL_ENV=$(GATES) $(UV) $(SYNC) requirements/gates.txt
	@touch $@

# One resolution for the project; each room's file is the same versions, fewer of them, and installs alone.
lock: $(UV)
	@cd requirements && for room in dev bootstrap tools gates; do ../$(UV) $(LOCK) $$room.in -o $$room.txt; done
	@cd requirements && for room in inference training model_server console; do ../$(UV) $(LOCK) -c dev.txt $$room.in -o $$room.txt; done
	@cd requirements && sed -nE '/^(openvino|numpy)/!s/^([a-z][^ ]*==[^ ;]*).*/\1/p' inference.txt > .pins && ../$(UV) $(LOCK) -c .pins function-arm64.in -o function-arm64.txt; rm -f .pins
	@cd requirements && ../$(UV) $(LOCK) -c dev.txt functions.in -o ../functions/requirements.txt
	@cd requirements && ../$(UV) $(LOCK) -c dev.txt benchmarks.in -o benchmarks.txt

# The peers that benchmarks/serving measures beside ours: 160 packages, none of them in the project itself.
benchmarks: install $(BENCHMARKS)/.installed

$(BENCHMARKS)/.installed: $(UV) requirements/benchmarks.txt
	@echo "installing requirements/benchmarks.txt into $(BENCHMARKS) (LitServe, BentoML, Ray Serve, FastAPI)"
	@$(UV) venv --quiet --allow-existing --python $(VENV)/bin/python $(BENCHMARKS)
	@$(ALIVE) VIRTUAL_ENV=$(BENCHMARKS) $(UV) $(SYNC) requirements/benchmarks.txt
	@touch $@

format: install
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

clean: down
	@rm -rf .podium .aws-sam $(VENV) $(TOOLS) $(GATES) $(BENCHMARKS) .mypy_cache .import_linter_cache .ruff_cache .pytest_cache
