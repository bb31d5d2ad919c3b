# One command for each thing a person does here. `make` alone lists them.
#
# Needs: Rust (rust-toolchain.toml names the version) and Node.js 20.19 or newer. What tests need
# beyond that, `make test` installs (as root) or names.

CARGO ?= cargo
UI    := web/ui
INTEROP := simulations/interop
# Where cargo builds.
TARGET = $(shell $(CARGO) metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# Parts of the benchmark that are scenarios of the NAT laboratory.
comma := ,
BENCH_LAB = $(if $(filter files,$(or $(ONLY),files)),relay-files$(comma)wan-files)$(if $(filter files-relay,$(ONLY)),relay-files)$(if $(filter files-wan,$(ONLY)),wan-files)

.PHONY: help check fmt lint ui-check test test-tools test-rust test-interop test-ui test-api screens bench bench-scroll torture sim sim-records sim-mailboxes netlab netlab-short order demo dev

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

test: test-tools check test-rust test-interop netlab-short test-ui ## everything: installs what it needs, then all tests

test-tools:
	@bash .ci/test-tools

test-rust:
	PC2_UI=off $(CARGO) test --workspace

# By the program that test-rust has built. A libp2p of another origin speaks with it.
test-interop: $(INTEROP)/node_modules/.package-lock.json
	PC2_UI=off $(CARGO) build -p pc2
	cd $(INTEROP) && PC2_BIN="$(TARGET)/debug/pc2" npm test

$(INTEROP)/node_modules/.package-lock.json: $(INTEROP)/package-lock.json
	cd $(INTEROP) && npm ci --ignore-scripts --no-audit --no-fund

test-ui: $(UI)/node_modules/.package-lock.json
	$(CARGO) build -p pc2
	cd $(UI) && PC2_BIN="$(TARGET)/debug/pc2" npm test

test-api: ## every route asked for what its document allows, and for what not, by schemathesis (needs python3-venv; not part of `make test`)
	$(CARGO) build -p pc2
	bash web/tests/api.sh "$(TARGET)/debug/pc2" "$(TARGET)"

screens: $(UI)/node_modules/.package-lock.json ## the pictures in docs/screens, of each screen: light, dark and on a phone
	$(CARGO) build -p pc2
	cd $(UI) && PC2_BIN="$(TARGET)/debug/pc2" node e2e/screens.mjs "$(CURDIR)/docs/screens"

bench: ## the figures in docs/benchmarks.md, measured here and now; ONLY=memory a part, ONLY=files those about files, ONLY=web those about the web server, ONLY=wasm those about modules
	$(CARGO) build --release -p pc2
	@# The programs that files, the web server and modules are measured beside; other parts need none of them.
	$(if $(filter-out files% web wasm,$(ONLY)),,bash simulations/benches/peers.sh "$(TARGET)/peers" $(filter web wasm,$(ONLY)))
	@# The release build is what is measured; what drives it need not be one. It holds ten thousand connections open.
	$(if $(filter files-relay files-wan,$(ONLY)),,ulimit -n "$$(ulimit -Hn)"; PC2_PEERS="$(TARGET)/peers" PC2_BIN="$(TARGET)/release/pc2" PC2_UI=off $(CARGO) bench --profile dev --workspace --bench pc2)
	@# Two of them need a network of their own, and root.
	$(if $(BENCH_LAB),@if [ "$$(id -u)" != 0 ]; then echo "files through a relay and over a bad line were not measured: they need root"; else \
	  bash .ci/test-tools lab && NETLAB_ONLY=$(BENCH_LAB) NETLAB_RUNS="$(or $(ROUNDS),9)" PC2_BIN="$(TARGET)/release/pc2" PC2_UI=off $(CARGO) test --workspace --bench netlab; fi)

bench-scroll: $(UI)/node_modules/.package-lock.json ## frames missed in a list of 1,000 contacts and a conversation of 100,000 messages; SLOW=4 as on a phone
	$(CARGO) build --release -p pc2
	cd $(UI) && PC2_BIN="$(TARGET)/release/pc2" $(if $(SLOW),SLOW=$(SLOW)) npm run --silent scroll

torture: ## 200 kill -9 of sender and recipient under load, and as many of file transfers (tests do 20 and 6)
	$(CARGO) build --release -p pc2
	PC2_KILLS=200 PC2_UI=off PC2_BIN="$(TARGET)/release/pc2" $(CARGO) test -p pc2 --test processes -- torture whole_through --nocapture --test-threads=1

order: ## write anew which functions a node runs, after much has changed or the compiler did (needs valgrind)
	PC2_UI=off CARGO="$(CARGO)" bash simulations/order.sh "$(TARGET)"

sim: sim-records sim-mailboxes ## large worlds: a thousand record machines, weeks of mailboxes

sim-records: ## a thousand record machines in one process; N=10000, SEED=7; writes docs/simulations
	@# Optimised, but not linked as a release: that takes longer than the simulation.
	N=$(N) SEED=$(SEED) HOURS=$(HOURS) $(CARGO) run -p pc2-simulations --bin sim --config 'profile.dev.package.pc2-simulations.opt-level=2'

sim-mailboxes: ## two hundred mailbox machines for two weeks; SEED=7 repeats one, N= and DAYS= make them larger; draws docs/simulations
	OUT="$(or $(OUT),$(CURDIR)/docs/simulations)" $(CARGO) test -p pc2-simulations --lib weeks_of -- --ignored --nocapture

# `--workspace` takes dependencies as test-rust has compiled them: each choice of crates has features of its own.
# ONLY=matrix,wiretap runs some of it, RUNS=20 each pair of NATs so often, KIND=upnp pairs with that one, SHORT=1 the four pairs that CI has time for.
netlab: ## real nodes behind kernel NATs in network namespaces (root); target/netlab.md
	@bash .ci/test-tools lab
	PC2_UI=off $(CARGO) build -p pc2
	PC2_BIN="$(TARGET)/debug/pc2" $(if $(ONLY),NETLAB_ONLY="$(ONLY)") $(if $(RUNS),NETLAB_RUNS="$(RUNS)") $(if $(KIND),NETLAB_KIND="$(KIND)") \
	  $(if $(SHORT),NETLAB_SHORT=1) PC2_UI=off $(CARGO) test --workspace --bench netlab

# Without root it says that it was not run, and goes on.
netlab-short:
	@$(MAKE) --no-print-directory netlab SHORT=1

demo: ## three nodes on this machine: a bootstrap, Alice and Bob
	$(CARGO) run --release -- demo

dev: ## the page with live reload, against a node on port 4200
	cd $(UI) && npm run dev
