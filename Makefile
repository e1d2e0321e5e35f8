# The two commands that matter: `make demo` shows a running network, `make test` checks everything.

CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
ifneq ($(wildcard $(CARGO_BIN)/cargo),)
export PATH := $(CARGO_BIN):$(PATH)
endif

# The same selection in every step of `test`, so that no crate is compiled twice for one purpose.
SELECTION := --workspace --locked --features host-tests,browser-tests

.PHONY: all setup build test soak fuzz miri demo web screenshots fmt clean
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

# Looks for bytes that a parser stumbles over, with a nightly compiler and cargo-fuzz: make fuzz TARGET=frame TIME=300
fuzz:
	cd fuzz && cargo +nightly fuzz run $(or $(TARGET),frame) -- -max_total_time=$(or $(TIME),300) -max_len=4096

# Runs tests of the data path's core in an interpreter that sees undefined behaviour, with nightly miri: make miri TESTS=core::packet
miri:
	PROPTEST_CASES=4 MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test --locked -p tomato-wire --lib -- \
		$(or $(TESTS),core::checksum core::packet core::ecn core::vlan core::timeline core::flip::tests::each)

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
