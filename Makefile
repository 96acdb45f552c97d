# `make` alone says what there is.

.PHONY: help demo demo-migrate test soak check bench setup clean locks man

help: ## say what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS="$$(printf '\t')" read -r n t; do printf '  make %-12s %s\n' "$$n" "$$t"; done

demo: ## set everything up, and have a paravirtualized guest talk to you from real Xen
	@scripts/setup runtime
	@.venv/bin/python scripts/demo

demo-migrate: ## have a guest count aloud while it moves between two lab hosts
	@scripts/setup runtime
	@.venv/bin/python scripts/demo migrate

test: ## set everything up, and run every check and test
	@scripts/setup dev
	@scripts/test

soak: ## the tests that are long, or hard on an emulated host
	@scripts/setup dev
	@.venv/bin/pytest -m soak -q

check: ## the quick checks only: format, lint, types, floors, and the tests that need no Xen
	@scripts/setup dev
	@scripts/test --quick

bench: ## measure, beside xl on the same lab host
	@scripts/setup dev
	@.venv/bin/python -m bench

setup: ## install system packages and the virtual environment, no more
	@scripts/setup dev

man: ## make the manual pages in build/man, and the tables in docs
	@scripts/setup dev
	@.venv/bin/python scripts/manuals

locks: ## make the requirements' lock files again
	@scripts/locks

clean: ## remove what was built here (the lab's images and templates stay: xm lab image rm)
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
