# Two commands: `make demo` and `make test`. Each makes its own virtual environment and installs into it.
PYTHON ?= python3
VENV ?= .venv
BUDGET ?= demo
BIN = $(VENV)/bin
ifeq ($(BUDGET),smoke) # one run of its three, which shows that all of it works, not a result
SEEDS = 0
else
SEEDS = 0,1
MORE = 0,1,2
PARTS = all
endif
PLANTED = planted-when,planted-weave,planted-sign
DEMO = $(BIN)/metanas run --budget $(BUDGET)

.PHONY: demo test check docs lowest newest clean

demo: $(VENV)/installed # first where the right architecture of every domain is known, then on images, text and speech
	$(if $(PARTS),$(DEMO) --seeds $(MORE) --suite planted-v1 --domains $(PLANTED) --method loo-nas --set space.stem=lean)
	$(if $(PARTS),$(DEMO) --seeds $(SEEDS) --suite mini-v1 --method protonet --no-controls)
	$(DEMO) --seeds $(SEEDS) --suite mini-v1 --method loo-nas --pages runs/site

test: $(VENV)/installed-dev check
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs runs/docs
	@echo runs/docs/index.html

lowest: # the lowest versions that pyproject.toml allows, in an environment of their own
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(PYTHON) -m tests.lowest > $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet -r $(VENV)-lowest/lowest.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --no-deps -e .
	$(VENV)-lowest/bin/python -m tests.lowest --check

newest: # the newest versions, whatever they are: does it break on them?
	test -x $(VENV)-newest/bin/python || $(PYTHON) -m venv $(VENV)-newest
	$(VENV)-newest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager -e .
	$(VENV)-newest/bin/python -m tests.lowest --check

$(VENV)/installed: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps -e .
	touch $@

$(VENV)/installed-docs: $(VENV)/installed requirements-docs.txt
	$(BIN)/python -m pip install --quiet -r requirements-docs.txt
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt requirements-docs.txt requirements-l2l.txt
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-build-isolation --use-pep517 -r requirements-l2l.txt
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-newest runs
