# One command for each thing a person does here. `make` alone lists them.
#
# Needs: Rust (rust-toolchain.toml names the version) and Node.js 20.19 or newer. What tests need
# beyond that, `make test` installs (as root) or names.

CARGO ?= cargo
UI    := web/ui
# Where cargo builds.
TARGET = $(shell $(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

.PHONY: help check fmt lint ui-check test test-tools test-rust test-ui bench torture sim demo dev

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

check: fmt lint ui-check ## formatting, lints, types: clean at every commit
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny check licenses bans sources; \
	 else echo "cargo-deny is not installed: licences and advisories were not checked here"; fi

fmt:
	$(CARGO) fmt --all --check

lint:
	PC2_UI=off $(CARGO) clippy --workspace --all-targets -- -D warnings

ui-check: $(UI)/node_modules/.package-lock.json
	cd $(UI) && npm run --silent check

$(UI)/node_modules/.package-lock.json: $(UI)/package-lock.json
	cd $(UI) && npm ci --ignore-scripts --no-audit --no-fund

test: test-tools check test-rust test-ui ## everything: installs what it needs, then all tests

test-tools:
	@bash .ci/test-tools

test-rust:
	PC2_UI=off $(CARGO) test --workspace

test-ui: $(UI)/node_modules/.package-lock.json
	$(CARGO) build -p pc2
	cd $(UI) && PC2_BIN="$(TARGET)/debug/pc2" npm test

bench: ## the figures in docs/benchmarks.md, measured here and now
	$(CARGO) build --release -p pc2
	PC2_BIN="$(TARGET)/release/pc2" $(CARGO) bench -p pc2-simulations --bench pc2

torture: ## 200 kill -9 of sender and recipient under load (tests do 20)
	$(CARGO) build --release -p pc2
	PC2_KILLS=200 $(CARGO) test --release -p pc2 --test processes torture -- --nocapture

sim: ## seeded worlds, and weeks of mailboxes; SEED=7 repeats one, N= and DAYS= make them larger
	$(CARGO) test --release -p pc2-simulations -- --nocapture --include-ignored

demo: ## three nodes on this machine: a bootstrap, Alice and Bob
	$(CARGO) run --release -- demo

dev: ## the page with live reload, against a node on port 4200
	cd $(UI) && npm run dev
