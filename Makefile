# Needs python3 (3.11 or newer) with venv, and make; everything else is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow test-browser docs docs-slow bench lint lock clean

demo: .venv/ready
	$(BIN)/python -m quasintk.studies.digits -o build/demo

test: lint
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

test-slow: .venv/ready
	$(BIN)/pytest -m slow --timeout 3600

# Fails where there is no Chromium: Debian's package is `chromium`.
test-browser: .venv/ready
	$(BIN)/pytest tests/browser -m browser

# Every page is executed; a warning is an error.
docs: .venv/ready
	$(BIN)/sphinx-build -W --keep-going -q -j auto docs build/docs
	@echo "build/docs/index.html"

# The same with the examples marked slow: some hours.
docs-slow: .venv/ready
	$(BIN)/sphinx-build -W --keep-going -q -t slow docs build/docs-slow
	@echo "build/docs-slow/index.html"

bench: .venv/ready
	-$(MAKE) build/peers/neural-tangents/ready
	$(BIN)/python -m benchmarks.gram --full --plot docs/pictures/gram-timing.svg

# 2.7 GB, never part of the tests; without it the table says that the peer is missing.
build/peers/neural-tangents/ready: benchmarks/peers/neural-tangents.txt
	$(PYTHON) -m venv build/peers/neural-tangents
	build/peers/neural-tangents/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/ready: lock.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "quasintk needs Python 3.11 or newer: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r lock.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch .venv/ready

# The lock holds hashes and no addresses; it serves Python 3.11 to 3.13 on Linux.
lock:
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra sklearn --extra report --extra scale --extra docs --extra browser --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o lock.txt

clean:
	find derive numerics verify quasintk -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .venv build docs/gallery .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
