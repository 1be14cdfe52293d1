# `make demo` and `make test` do all the set-up themselves; only Python 3.11 or newer is assumed.
RUN := .venv/bin
SEED ?= 7
# Of the fault run: how long, and which database is taken away (sqlite or postgres).
MINUTES ?= 30
SQL ?= sqlite

.PHONY: help demo test check format rehearse rehearse-fast rehearse-cut rehearse-seeds rehearse-recorded chaos figures bench-zones bench-presence bench-store bench-calibration bench-decide bench-push bench-relevance lock clean

help:
	@echo "make demo               a simulated store, live in this terminal (Ctrl-C ends it)"
	@echo "make test               formatting, types, import rules and all tests"
	@echo "make check              the same without the tests"
	@echo "make rehearse           3 minutes, 40 shoppers: print the scorecard"
	@echo "make rehearse-fast      an hour of shopping in virtual time"
	@echo "make rehearse-cut       the same as rehearse, with a gateway cut off and killed"
	@echo "make rehearse-seeds     ten seeds in virtual time, with all gateways and with two dead"
	@echo "make rehearse-recorded  the recorded walks of ../shared through the whole loop"
	@echo "make chaos              the fault run: half an hour of kills and outages, and an audit"
	@echo "make figures            the simulator's radio beside the recorded one"
	@echo "make bench-zones        Corsia and two baselines on the recorded walks of ../shared"
	@echo "make bench-presence     sightings a second in a full store, beside a loop over objects"
	@echo "make bench-store        presence in the simulated store over ten seeds, with dead gateways"
	@echo "make bench-calibration  gateways that calibrate each other, and find out who was moved"
	@echo "make bench-decide       a decision among ten thousand campaigns, beside a scan over all of them"
	@echo "make bench-push         pushes a second of one process, beside firebase-admin's sender"
	@echo "make bench-relevance    the score on a year of real groceries; uplift with a planted effect"
	@echo "make lock               write requirements.lock anew"

demo:
	@scripts/setup.sh
	@$(RUN)/corsia up --demo

test: check
	@$(RUN)/python -m pytest -n 2

check:
	@scripts/setup.sh test
	@$(RUN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(RUN)/ruff check --quiet .
	@$(RUN)/mypy --no-error-summary
	@$(RUN)/lint-imports --no-logo

format:
	@scripts/setup.sh
	@$(RUN)/ruff format --quiet .
	@$(RUN)/ruff check --quiet --fix .

rehearse:
	@scripts/setup.sh
	@$(RUN)/corsia rehearse --minutes 3 --shoppers 40 --seed $(SEED)

rehearse-fast:
	@scripts/setup.sh
	@$(RUN)/corsia rehearse --fast --minutes 60 --shoppers 200 --seed $(SEED)

rehearse-cut:
	@scripts/setup.sh
	@$(RUN)/corsia rehearse --minutes 3 --shoppers 40 --seed $(SEED) --fault cut

rehearse-seeds:
	@scripts/setup.sh
	@$(RUN)/python -m benchmarks.rehearse_seeds

rehearse-recorded:
	@scripts/setup.sh
	@$(RUN)/corsia rehearse --recording ../shared/data/rssi --dataset tetam --seed $(SEED)

chaos:
	@scripts/setup.sh
	@$(RUN)/corsia rehearse --fault chaos --minutes $(MINUTES) --shoppers 40 --seed $(SEED) --sql $(SQL)

figures:
	@scripts/setup.sh
	@$(RUN)/corsia sim figures --recording ../shared/data/rssi --dataset tetam

bench-zones:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.zones_table

bench-presence:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.presence_speed

bench-store:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.store_table

bench-calibration:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.calibration

bench-decide:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.decide

bench-push:
	@scripts/setup.sh
	@$(RUN)/python -m benchmarks.push

bench-relevance:
	@scripts/setup.sh
	@OPENBLAS_NUM_THREADS=1 $(RUN)/python -m benchmarks.relevance

lock:
	@scripts/setup.sh
	@$(RUN)/uv pip compile pyproject.toml --universal --all-extras --generate-hashes --quiet -o requirements.lock

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
