# make run     measure the default study and print what came out (ARGS="--config launches=5" goes to snakemake;
#              `snakemake` itself names every job with its files)
# make demo-dvfs   a whole study of clocks on a MODELLED GPU, without a real one; its answers beside the truth
# make slurm   the environment of `snakemake --profile profiles/slurm`; `make run` makes it by itself where it finds sbatch
# make test    the test suite, real vLLM on this machine's CPU included (ARGS goes to pytest)
# make test-cluster   studies on a SLURM of one node and of two, and over ssh (root; Debian's munge, slurmctld, slurmd,
#              slurm-client, openssh-server; half an hour; real KV over a network where nixl is installed)
# make check   formatting, lint, types; changes nothing
# make golden  what the analysis makes of a small measured cell, written anew: look at the diff
# make bench   the program against its peers and its limits (forty minutes; installs the peers from locks of their own;
#              TRACES='azure=FILE mooncake=FILE' are replayed)
# make run ENV=gpu-vllm-0.23 ARGS="--configfile config/gpu.yaml"    another lock of envs/, in an environment of its own
# Every target sets up what it needs. Needs Python 3.11 or newer and make.

PYTHON ?= python3
ENV ?= cpu
VENV := $(if $(filter cpu,$(ENV)),.venv,.venv-$(ENV))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
TORCH := torch==2.13.0+cpu
TORCH_INDEX := https://download.pytorch.org/whl/cpu
ARGS ?=
TRACES ?=
# Every start of Snakemake imports the plugins that are installed, SLURM's with pandas: not where there is no SLURM.
SLURM := $(shell command -v sbatch 2>/dev/null)
# Processes of `make test`, one of which begins with the tests of real vLLM; tests wait for much of their time.
WORKERS ?= 3
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Without compiled files every process of a run or a test would compile the library again.
unexport PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: run demo-dvfs slurm test test-cluster check format golden measuring bench schemas clean

run: $(VENV)/run.stamp $(if $(SLURM),$(VENV)/slurm.stamp)
	@$(BIN)/python -m llmdvfs unlock
	$(BIN)/snakemake --cores all $(ARGS) --quiet host progress rules
	@$(BIN)/snakemake --cores 1 --report results/provenance.html --quiet all $(ARGS)
	@echo "report: results/report.html (opens offline in any browser); how each file was made: results/provenance.html"

demo-dvfs: $(VENV)/run.stamp
	$(BIN)/python tests/modelled/demo.py $(ARGS)

slurm: $(VENV)/slurm.stamp

test: $(VENV)/dev.stamp
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not cluster" $(ARGS)

test-cluster: $(VENV)/dev.stamp
	$(BIN)/python -m pytest tests/cluster $(ARGS)

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/snakefmt Snakefile workflow/Snakefile workflow/rules

golden: $(VENV)/run.stamp
	$(BIN)/python tests/golden/chain.py

# After an edit of measuring code: raise MEASURING_VERSION (workflow/llmdvfs/plan/measuring.py) if it changes what is
# measured; then record the code as it is.
measuring: $(VENV)/run.stamp
	$(BIN)/python -m llmdvfs measuring --output tests/golden/measuring_code.json

bench: $(VENV)/dev.stamp
	$(BIN)/python bench/client/run.py --page docs/client.md
	$(BIN)/python bench/client/priority.py --page docs/client.md
	$(BIN)/python bench/client/traces.py --heads $(TRACES)
	$(BIN)/python bench/client/lenses.py --page docs/client.md
	$(BIN)/python bench/sampler/bench.py
	$(BIN)/python bench/proxy/bench.py --page docs/proxy.md
	$(BIN)/python bench/energy/estimator_error.py --figure docs/figures/energy_error.png
	$(BIN)/python bench/dvfs/study.py --page docs/dvfs.md
	$(BIN)/python bench/statistics/coverage.py --studies 2000 --page docs/statistics.md

schemas: $(VENV)/run.stamp
	$(BIN)/python -m llmdvfs schemas --output workflow/schemas
	$(BIN)/python -m llmdvfs config-docs --output config/README.md

clean:
	rm -rf .venv .venv-* .snakemake

# ---- environments, from the full locks in envs/

$(VENV)/torch.stamp:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else \
	  f"Python {v.major}.{v.minor} found, 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
ifeq ($(ENV),cpu)
	@echo "installing $(TORCH) ..."
	@$(PIP) install --no-deps "$(TORCH)" 2>$(VENV)/torch.log \
	  || $(PIP) install --no-deps --index-url $(TORCH_INDEX) "$(TORCH)" \
	  || { cat $(VENV)/torch.log; exit 1; }
endif
	@touch $@

$(VENV)/run.stamp: $(VENV)/torch.stamp envs/$(ENV).lock pyproject.toml
	@echo "installing envs/$(ENV).lock (vLLM and the workflow, minutes) ..."
	@$(PIP) install --no-deps -r envs/$(ENV).lock 2>$(VENV)/run.log || { cat $(VENV)/run.log; exit 1; }
	@$(PIP) install --no-deps --no-build-isolation --editable . 2>$(VENV)/run.log || { cat $(VENV)/run.log; exit 1; }
	@$(BIN)/python -m compileall -q workflow/llmdvfs    # or every job would do it, where PYTHONDONTWRITEBYTECODE is set
	@touch $@

$(VENV)/slurm.stamp: $(VENV)/run.stamp envs/slurm.lock
	@echo "installing envs/slurm.lock ..."
	@$(PIP) install --no-deps -r envs/slurm.lock 2>$(VENV)/slurm.log || { cat $(VENV)/slurm.log; exit 1; }
	@touch $@

$(VENV)/dev.stamp: $(VENV)/slurm.stamp envs/dev.lock
	@echo "installing envs/dev.lock ..."
	@$(PIP) install --no-deps -r envs/dev.lock 2>$(VENV)/dev.log || { cat $(VENV)/dev.log; exit 1; }
	@touch $@
