# Sets up what it needs, then does the work: `make local-deploy`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

lock: $(VENV)/.ready  ## resolve the pinned requirements anew
	$(BIN)/pip install -q uv
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	  --group pyproject.toml:dev pyproject.toml -o requirements-dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url \
	  -c requirements-dev.txt pyproject.toml -o requirements.txt
	sed -i '1i -e .' requirements.txt
	sed -i '1i -r requirements.txt' requirements-dev.txt
