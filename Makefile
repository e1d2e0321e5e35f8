# The two commands that matter: `make demo` shows a running network, `make test` checks everything.

CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
ifneq ($(wildcard $(CARGO_BIN)/cargo),)
export PATH := $(CARGO_BIN):$(PATH)
endif

# The same selection in every step of `test`, so that no crate is compiled twice for one purpose.
SELECTION := --workspace --locked --features host-tests,browser-tests

.PHONY: all setup build test soak demo web screenshots fmt clean
.NOTPARALLEL:

all: build

setup:
	@scripts/setup.sh

build: setup
	cargo build --release --locked -p tomato-cli --bin tomato

# The test runner comes last: its closing line is the result.
test:
	@scripts/setup.sh --tests
	cargo fmt --all --check
	cargo clippy $(SELECTION) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc $(SELECTION) --no-deps --document-private-items
	scripts/web.sh --check
	@scripts/run-tests.sh $(SELECTION)

# Kills processes of a lab at random and checks that nothing is lost: make soak KILLS=200 SEED=7
soak: build
	bench/soak.py --kills $(or $(KILLS),1000) $(if $(SEED),--seed $(SEED))

demo: build
	scripts/demo.sh

# Builds the pages of the browser into web/dist, which is committed: needs Node 20.19 or newer.
web:
	scripts/web.sh

# Takes the pictures of the documentation from a lab of its own.
screenshots: build
	scripts/screenshots.sh

fmt:
	cargo fmt --all

clean:
	cargo clean
