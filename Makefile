# Every target is the one CI and people use; recipes are one line, logic lives in Rust or in tests/scripts.
SHELL := /bin/bash
.DEFAULT_GOAL := help

CARGO ?= cargo
DATA_DIR ?= data/dev
KAFKA ?= 127.0.0.1:9092
HTTP ?= 127.0.0.1:9644
SECONDS_ARG = $(if $(filter command line,$(origin SECONDS)),--seconds $(SECONDS))

.PHONY: help dev demo test lint unit sim e2e s3-faults real-input fuzz-smoke mutations bench chaos compat drill deploy-check doc fmt clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

dev: ## build what is missing, run a single node with embedded defaults
	@tests/scripts/setup build
	@$(CARGO) build --quiet --workspace --bin thermocline
	@exec target/debug/thermocline dev --data-dir $(DATA_DIR) --kafka $(KAFKA) --http $(HTTP)

test: ## install what is missing, run every test that CI runs
	@tests/scripts/setup build clients deploy
	@tests/scripts/run-tests

lint: ## formatting, clippy with warnings denied
	@tests/scripts/setup build
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

unit: ## unit, property, conformance and tidy tests
	@tests/scripts/setup build clients
	@tests/scripts/run-tests unit

sim: ## seeds of the deterministic simulation (SEEDS=n FIRST_SEED=n)
	@tests/scripts/setup build clients
	@$(if $(SEEDS),SIM_SEEDS=$(SEEDS)) $(if $(FIRST_SEED),SIM_FIRST_SEED=$(FIRST_SEED)) tests/scripts/run-tests sim

e2e: ## real processes, real etcd and S3 server, real clients
	@tests/scripts/setup build clients
	@tests/scripts/run-tests e2e

s3-faults: ## the S3 fault matrix for longer than CI has it (SECONDS=120 for each cell)
	@tests/scripts/setup build clients
	@$(CARGO) build --quiet --workspace --bin thermocline
	@S3_FAULTS_SECONDS=$(if $(filter command line,$(origin SECONDS)),$(SECONDS),120) $(CARGO) test --workspace --test e2e -- --test-threads=1 --nocapture s3_faults

real-input: ## the machine's own package index and changelogs through every client and codec (MB=50)
	@tests/scripts/setup build clients
	@tests/scripts/real-input $(or $(MB),50)

fuzz-smoke: ## bounded fuzzing of the parsers (FUZZ_ITERATIONS=n)
	@tests/scripts/setup build
	$(CARGO) test -p protocol --test fuzz_smoke -- --nocapture

mutations: ## every deliberate mistake of docs/mutations.md must be caught (RULES="R13 R25")
	@tests/scripts/setup build
	@tests/scripts/mutations $(RULES)

bench: ## one scenario with its peers: make bench SCENARIO=peak-produce [SECONDS=n] [FRONT=disk|object]
	@tests/scripts/setup build clients kafka
	@$(CARGO) build --quiet --release -p thermocline -p thermocline-bench
	@THERMOCLINE_BIN=$(CURDIR)/target/release/thermocline target/release/thermocline-bench $(SCENARIO) $(SECONDS_ARG) $(if $(FRONT),--front $(FRONT))

demo: ## the claim in one minute: produce, tail, replay everything at full speed, watch the latency
	@tests/scripts/setup build
	@$(CARGO) build --quiet --release -p thermocline -p thermocline-bench
	@THERMOCLINE_BIN=$(CURDIR)/target/release/thermocline target/release/thermocline-bench demo

chaos: ## kill, pause and move under load, then checker and scrub (FRONT=disk|shared-disk|object SECONDS=n SEED=n CHECK=bank|copy|zombie|hanging)
	@tests/scripts/setup build clients
	@$(CARGO) build --quiet --workspace --bin thermocline --bin thermocline-chaos
	@target/debug/thermocline-chaos --front $(or $(FRONT),disk) $(SECONDS_ARG) $(if $(SEED),--seed $(SEED)) $(if $(CHECK),--check $(CHECK))

compat: ## a pinned client suite against a cluster (SUITE=kgo|python|java|cli|rdkafka|all FRONT=disk|shared-disk|object RECORDS=n ONLY=tests FAULTS=1)
	@tests/scripts/setup build clients
	@$(CARGO) build --quiet --workspace --bin thermocline --bin thermocline-compat
	@for suite in $(if $(filter all,$(SUITE)),kgo python java cli rdkafka,$(or $(SUITE),kgo)); do \
		target/debug/thermocline-compat $$suite $(if $(FRONT),--front $(FRONT)) $(if $(RECORDS),--records $(RECORDS)) $(if $(ONLY),--only '$(ONLY)') $(if $(FAULTS),--faults) || exit 1; done

drill: ## the operations drills (DRILL=dns|standby|rolling|rebuild FRONT=disk|shared-disk|object OLD=binary)
	@case "$(DRILL)" in dns|rebuild|rolling|standby) ;; *) echo "make drill: DRILL=dns, rebuild, rolling or standby" >&2; exit 2;; esac
	@tests/scripts/setup build clients
	@$(CARGO) build --quiet --workspace --bin thermocline --bin thermocline-drill
	@target/debug/thermocline-drill $(DRILL) $(if $(FRONT),--front $(FRONT)) $(if $(MIB),--mib-per-second $(MIB)) $(if $(OLD),--old $(OLD))

deploy-check: ## lint and render the Helm chart, check alert rules and units
	@tests/scripts/setup build clients deploy
	@$(CARGO) build --quiet --workspace --bin thermocline
	@tests/scripts/run-tests deploy

doc: ## API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --document-private-items --quiet

fmt: ## format the tree
	$(CARGO) fmt --all

clean: ## remove build output and local data
	rm -rf target data bench/results tests/results
