# A thin front of run.py, which also works by itself: python3 run.py run
PYTHON ?= python3

.PHONY: run test lint bench format
run test lint bench format:
	@$(PYTHON) run.py $@
