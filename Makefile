# Each target makes .venv on first use. Nothing outside this folder is touched, but for Chromium, which tests of pages need.
# python3.11 and so on: on the path, where pyenv leaves names that may not work, or among pyenv's own.
find = $(shell python$(1) --version > /dev/null 2>&1 && echo python$(1) || \
  { ls -d "$$(pyenv root)"/versions/$(1).*/bin/python$(1) | tail -1; } 2> /dev/null)
PYTHON ?= $(firstword $(foreach version,3.11 3.12 3.13,$(call find,$(version))))
BIN := .venv/bin
READY := .venv/.ready
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: demo lint test test-all test-pythons bench gallery docs dist browser clean

demo: $(READY)
	$(BIN)/genmem demo --out out/demo

# Style, one dialect, and the types of what all else rests on.
lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p genmem.theory -p genmem.shared

# One thread each: two test processes with two spinning BLAS threads each take several times as long. All tests of a file run
# in one process, so that what they share (a report, a server, a browser, a package) is made once.
test test-all: export OMP_NUM_THREADS = 1
# Here a missing browser fails the tests that look at pages; pytest by itself skips them, and says why.
test test-all: export GENMEM_REQUIRE_BROWSER = 1

test: $(READY) lint browser
	$(BIN)/pytest -n 2 --dist loadfile -m "not slow"

test-all: $(READY) lint browser
	$(BIN)/pytest -n 2 --dist loadfile
	$(MAKE) test-pythons

# The theory on each supported Python that the machine has, with the libraries that it needs alone.
test-pythons: $(foreach version,3.11 3.12 3.13,test-python-$(version))

test-python-%: export OMP_NUM_THREADS = 1
test-python-%:
	@python="$(call find,$*)"; environment=out/pythons/$*; \
	if [ -z "$$python" ]; then echo "Python $* is not installed: left out"; exit 0; fi; \
	$$python -m venv $$environment \
	&& $$environment/bin/pip install --quiet --constraint constraints.txt \
	  numpy scipy numba mpmath sympy xarray pytest hypothesis \
	&& echo "$$($$environment/bin/python --version), the theory alone:" \
	&& PYTHONPATH=. $$environment/bin/python -m pytest -q -p no:cacheprovider -m "not slow" $(or $(TESTS),tests/theory)

# Debian's Chromium and its driver, for the tests that look at pages.
browser:
	@command -v chromium > /dev/null && command -v chromedriver > /dev/null || { \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium chromium-driver; }

bench: $(READY)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# The figures of the documentation, from the recorded runs.
gallery: $(READY)
	$(BIN)/genmem figures all --runs records/digits-cpu records/random-features records/grammar-cpu \
	  records/cifar10-cpu --out out/figures
	for name in measured-windows plane overlay; do \
	  $(BIN)/genmem figures $$name --runs records/cifar10-cpu --out out/figures/cifar10 || exit 1; done
	$(BIN)/python docs/make_gallery.py

# The pages of docs/ and the docstrings as a site: open out/site/index.html, no server and no network needed.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A source archive, and the wheel that was built from it, as a release uploads them.
dist: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	@ls -l dist

clean:
	rm -rf .venv out dist build

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "genmem needs Python 3.11, 3.12 or 3.13, but none of python3.11, python3.12 and python3.13 is installed" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[test,docs]'
	touch $@
