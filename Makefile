# Each target makes .venv on first use; nothing outside this folder is touched.
PYTHON ?= python3.11
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-all bench clean

demo: $(READY)
	$(BIN)/genmem demo --out out/demo

# One thread each: two test processes with two spinning BLAS threads each take several times as long.
test test-all: export OMP_NUM_THREADS = 1

test: $(READY)
	$(BIN)/pytest -n 2 -m "not slow"

test-all: $(READY)
	$(BIN)/pytest -n 2

bench: $(READY)
	for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean:
	rm -rf .venv out

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint constraints.txt --editable '.[test]'
	touch $@
