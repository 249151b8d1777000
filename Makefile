# Each target makes .venv on first use. Nothing outside this folder is touched, but for Chromium, which tests of pages need.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)

.PHONY: demo test test-all bench gallery browser clean

demo: $(READY)
	$(BIN)/genmem demo --out out/demo

# One thread each: two test processes with two spinning BLAS threads each take several times as long.
test test-all: export OMP_NUM_THREADS = 1
# Here a missing browser fails the tests that look at pages; pytest by itself skips them, and says why.
test test-all: export GENMEM_REQUIRE_BROWSER = 1

test: $(READY) browser
	$(BIN)/pytest -n 2 --dist loadgroup -m "not slow"

test-all: $(READY) browser
	$(BIN)/pytest -n 2 --dist loadgroup

# Debian's Chromium and its driver, for the tests that look at pages.
browser:
	@command -v chromium > /dev/null && command -v chromedriver > /dev/null || { \
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium chromium-driver; }

bench: $(READY)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

# The figures of the documentation, from the recorded runs.
gallery: $(READY)
	$(BIN)/genmem figures all --runs records/digits-cpu records/random-features --out out/figures
	$(BIN)/python docs/make_gallery.py

clean:
	rm -rf .venv out

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[test]'
	touch $@
