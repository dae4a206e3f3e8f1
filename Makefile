# `make` prints what there is. Everything here is also a plain cargo command; see CONTRIBUTING.md.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Targets build on one another's outputs in the same target folder; cargo is parallel inside.
.NOTPARALLEL:

# rustup's folder, for shells that have not read its profile lines yet.
cargo_home := $(or $(filter /%,$(CARGO_HOME)),$(addsuffix /.cargo,$(filter /%,$(HOME))))
export PATH := $(PATH)$(if $(cargo_home),:$(cargo_home)/bin)

target := $(abspath $(or $(CARGO_TARGET_DIR),target))
nasprof := $(target)/release/nasprof
# The test programs that link libtorch; a plain `cargo test` leaves them out. They are picked by name and not by package: other
# packages would mean other features of what all depend on, and most of it would be compiled once more.
torch_tests := $(patsubst train/tests/%.rs,--test %,$(wildcard train/tests/*.rs))

space := mobilenet-cifar10
# `make quickstart ALLOW_NOISY=1` measures a busy machine; the rows say so, and it is another LUT.
noisy := $(if $(ALLOW_NOISY),--allow-noisy)
# `make quickstart RUNTIME=onnxruntime` needs no libtorch, neither to build nor to run.
RUNTIME := torch
lut := runs/$(space)-local$(if $(filter-out torch,$(RUNTIME)),-$(RUNTIME))$(if $(ALLOW_NOISY),-noisy).parquet

.PHONY: help setup packages libtorch onnxruntime tensorboard onnx build build-onnxruntime build-torch agent query query-test emulated-board quickstart quickstart-search test test-light lint deny dist fuzz fuzz-check

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: packages libtorch ## Install what the build needs: packages and libtorch

packages:
	@scripts/install-packages.sh

tensorboard: packages
	@scripts/install-python-tool.sh tensorboard

onnx: packages
	@scripts/install-python-tool.sh onnx

libtorch: packages
	@scripts/install-libtorch.sh

onnxruntime: packages
	@scripts/install-onnxruntime.sh >/dev/null

build: setup ## Build all programs (release)
	cargo build --release --locked

build-torch: build

build-onnxruntime: onnxruntime
	cargo build --release --locked -p nasprof -p nasprof-onnxruntime

agent: ## Build the light agent for a board: make agent TARGET=aarch64-unknown-linux-gnu
	@scripts/build-agent.sh '$(TARGET)'

# A workspace of its own: nobody who builds nasprof waits for polars.
query: ## Build nasprof-query, the program of `nasprof query` (release; takes minutes)
	cargo build --manifest-path query/Cargo.toml --release --locked --target-dir $(target)

query-test: ## Test nasprof-query
	cargo fmt --check --manifest-path query/Cargo.toml
	cargo test --manifest-path query/Cargo.toml --locked --target-dir $(target)

emulated-board: build ## Measure an aarch64 board emulated by qemu (as root; not part of the tests)
	@scripts/build-agent.sh aarch64-unknown-linux-gnu
	@scripts/emulated-board.sh

quickstart: build-$(RUNTIME) ## Build, measure this machine, estimate and validate; RUNTIME=onnxruntime needs no libtorch
	@mkdir -p runs
	@echo '== Every layer of $(space) on this machine'
	@code=0; \
	$(nasprof) measure --device local --backend $(RUNTIME) --space $(space) -o $(lut) --resume $(noisy) || code=$$?; \
	case $$code in \
	  0) ;; \
	  3) echo 'note: some rows did not converge (exit code 3): their intervals are wider than asked for; going on' >&2 ;; \
	  4) echo 'hint: to measure this machine as it is: make quickstart ALLOW_NOISY=1' >&2; exit 4 ;; \
	  *) exit $$code ;; \
	esac
	@echo '== Three random networks, estimated'
	@$(nasprof) space sample $(space) -n 3 --seed 7 | $(nasprof) estimate --lut $(lut) --space $(space) --arch -
	@echo '== Thirty fresh networks, measured whole and compared with the estimates'
	@$(nasprof) validate --device local --lut $(lut) --space $(space) -n 30 $(noisy)
	@echo 'The LUT is $(lut); its journal stands beside it. Look at it with:'
	@echo '  $(nasprof) lut show $(lut)'

quickstart-search: build ## Install Fashion-MNIST, search a small space on it and train the winner
	@scripts/install-fashion-mnist.sh
	@echo '== A search: its accuracy is that of the shared weights, for comparing networks only'
	@$(nasprof) search configs/experiments/quick-pnas.toml -o runs/quick-pnas --set data.max_train_images=2000 --resume
	@echo '== The winner, trained by itself'
	@$(nasprof) train configs/experiments/quick-pnas-train.toml -o runs/quick-pnas-train --resume
	@$(nasprof) report runs/quick-pnas -o runs/quick-pnas.html
	@$(nasprof) report runs/quick-pnas-train -o runs/quick-pnas-train.html
	@echo 'Open both reports in a browser; docs/search.md says how to give the search a latency budget.'

# The end-to-end tests use the agents beside `nasprof`. The first call needs no libtorch.
test: setup tensorboard onnx onnxruntime ## Run all tests
	cargo build --locked
	@# The second part runs even if the first fails.
	@code=0; set -x; \
	NASPROF_TEST_TORCH_AGENT=$(target)/debug/nasprof-agent-torch cargo test --locked --no-fail-fast || code=$$?; \
	cargo test --locked --no-fail-fast --workspace --lib --examples $(torch_tests) || code=$$?; \
	exit $$code

test-light: ## Run the tests that need no libtorch
	cargo test --locked --no-fail-fast

lint: setup ## Check formatting and lints
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo clippy --workspace --lib --bins $(torch_tests) --locked -- -D warnings

deny: ## Check licences and sources of dependencies (cargo install cargo-deny)
	cargo deny --locked check licenses bans sources

# Seconds of each target in `make fuzz`.
SECONDS_EACH := 60

fuzz: ## Fuzz all readers of outside input: make fuzz SECONDS_EACH=60
	scripts/fuzz.sh $(SECONDS_EACH)

fuzz-check: ## Run the fuzz targets on their seeds and on some mutations, without libFuzzer
	cargo test --manifest-path fuzz/Cargo.toml --no-default-features --locked --target-dir $(target) -- --nocapture

dist: ## Pack the programs for a release: make dist VERSION=1.2.3
	scripts/dist.sh $(VERSION)
