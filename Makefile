# make venv   .venv/ with both commands in .venv/bin
# make lint   ruff and mypy
# make test   everything above, the tests and a short fuzz run
# make test-engines  containers under podman, Docker, containerd, with pyoci and with runc
# make vm     integration tests in a virtual machine that has cgroup v2, systemd and AppArmor
# make demo   a Dockerfile becomes a signed image and runs
#
# Each target prepares whatever it needs, Debian packages included when run as root, and is quick
# when repeated. Elsewhere than on Debian the programs have to be there already.

# Debian's own Python where there is one: other builds of it start more slowly.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
BIN := .venv/bin
STAMPS := .venv/.stamps

BUILD_PACKAGES := gcc libc6-dev python3 python3-venv
TEST_PACKAGES := $(BUILD_PACKAGES) busybox-static clang criu fish groff-base libclang-rt-14-dev \
	libseccomp2 iproute2 procps python3-pip uidmap util-linux zsh git docker-registry skopeo openssl
DEMO_PACKAGES := $(BUILD_PACKAGES) busybox-static mmdebstrap ca-certificates
ENGINE_PACKAGES := $(BUILD_PACKAGES) aardvark-dns buildah busybox-static catatonit conmon containerd \
	containernetworking-plugins criu docker-compose docker-registry docker.io fuse-overlayfs iproute2 \
	iptables jq netavark nftables podman podman-compose procps runc skopeo slirp4netns uidmap umoci
VM_PACKAGES := $(BUILD_PACKAGES) cpio e2fsprogs kmod mmdebstrap qemu-system-x86
BENCH_PACKAGES := $(BUILD_PACKAGES) busybox-static runc crun
FUZZ_SECONDS ?= 20

# Installs those of the named Debian packages that are missing; names them when it may not.
# RUNLEVEL: packages of daemons do not start them.
define install
	@command -v dpkg-query >/dev/null || exit 0; \
	for package in $(1); do \
		dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || \
			missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] && exit 0; \
	[ "$$(id -u)" = 0 ] || { echo "please install, as root: apt-get install$$missing"; exit 1; }; \
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; \
	echo "installing$$missing"; \
	apt-get install -qq -y --no-install-recommends $$missing >/dev/null 2>&1 || \
	{ apt-get update -qq && apt-get install -qq -y --no-install-recommends $$missing >/dev/null; }
endef

.NOTPARALLEL:

.PHONY: venv
venv: $(STAMPS)/installed native

$(STAMPS)/build-packages: Makefile
	$(call install,$(BUILD_PACKAGES))
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/python: | $(STAMPS)/build-packages
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is too old: pyoci needs Python 3.11 (make PYTHON=...)"; exit 1; }
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install -q --disable-pip-version-check 'setuptools>=66' wheel
	@touch $@

$(STAMPS)/installed: setup.py setup.cfg pyproject.toml $(STAMPS)/python
	$(BIN)/pip install -q --disable-pip-version-check --no-build-isolation -e '.[dev]'
	@touch $@

# The C programs follow their sources without an installation: the init is read where it is built.
.PHONY: native
native: $(STAMPS)/installed
	@$(MAKE) -s --no-print-directory -C pyoci/init pyoci-init PYTHON=$(abspath $(BIN)/python)
	@$(MAKE) -s --no-print-directory -C pyoci/launcher pyoci
	@cmp -s pyoci/launcher/pyoci $(BIN)/pyoci || install -m 755 pyoci/launcher/pyoci $(BIN)/pyoci

.PHONY: lint
lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(STAMPS)/test-packages: Makefile | $(STAMPS)/build-packages
	$(call install,$(TEST_PACKAGES))
	@touch $@

.PHONY: unit
unit: venv $(STAMPS)/test-packages
	$(BIN)/pytest -n auto tests/unit

.PHONY: integration
integration: venv $(STAMPS)/test-packages
	$(BIN)/pytest tests/integration

$(STAMPS)/vm-packages: Makefile | $(STAMPS)/build-packages
	$(call install,$(VM_PACKAGES))
	@touch $@

# Results are in .vm/; VM_TESTS="-k update tests/integration/runtime" runs others than usual.
.PHONY: vm
vm: venv $(STAMPS)/vm-packages
	tests/vm/run.py --results .vm tests/vm/suite.sh $(VM_TESTS)

.PHONY: packaging
packaging: venv $(STAMPS)/test-packages
	$(BIN)/pytest tests/packaging

$(STAMPS)/engine-packages: Makefile | $(STAMPS)/build-packages
	$(call install,$(ENGINE_PACKAGES))
	@touch $@

.PHONY: test-engines
test-engines: venv $(STAMPS)/engine-packages
	$(BIN)/pytest -n 2 --dist loadfile tests/engines

.PHONY: fuzz
fuzz: venv $(STAMPS)/test-packages
	tests/fuzz/run.sh $(FUZZ_SECONDS)

.PHONY: test
test: lint unit integration test-engines packaging fuzz versions

$(STAMPS)/demo-packages: Makefile | $(STAMPS)/build-packages
	$(call install,$(DEMO_PACKAGES))
	@touch $@

.PHONY: demo
demo: venv $(STAMPS)/demo-packages
	PATH="$(abspath $(BIN)):$$PATH" examples/demo/run.sh

$(STAMPS)/bench-packages: Makefile | $(STAMPS)/build-packages
	$(call install,$(BENCH_PACKAGES))
	@touch $@

.PHONY: bench
bench: venv $(STAMPS)/bench-packages
	$(BIN)/python bench/lifecycle.py

.PHONY: versions
versions:
	@uname -sr; $(BIN)/python --version; cc --version | head -n 1
	@$(BIN)/pyoci --version; $(BIN)/pip list --disable-pip-version-check --format freeze \
		| grep -iE '^(click|cryptography|httpx|hypothesis|mypy|pytest|ruff|setuptools|system-calls)='

.PHONY: clean
clean:
	-$(MAKE) -s -C pyoci/init clean
	-$(MAKE) -s -C pyoci/launcher clean
	rm -rf build dist *.egg-info .vm .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .tox .demo
	find . -name __pycache__ -prune -exec rm -rf {} +
