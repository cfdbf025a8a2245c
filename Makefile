# SPDX-License-Identifier: GPL-2.0
#
# Everything happens in a toolchain root of its own; see scripts/enter.sh.

enter := scripts/enter.sh
export KERNEL_TREE MIRROR DIR MINUTES BENCH HYPVM
ifneq ($(KERNEL_TREE),)
override KERNEL_TREE := $(or $(realpath $(KERNEL_TREE)),$(error KERNEL_TREE=$(KERNEL_TREE) does not exist))
endif
ifneq ($(DIR),)
override DIR := $(abspath $(DIR))
endif

ifneq ($(HYPVM),)
override HYPVM := $(or $(realpath $(HYPVM)),$(error HYPVM=$(HYPVM) does not exist))
endif

groups := checks crate unit selftests debug arm64 kcsan

.PHONY: help
help:
	@echo '  run            boot the kernel and run the demos in it'
	@echo '  test           all tests; closes with "N passed, N failed"'
	@echo '  test-checks    formatting, lints, the series, rules of this repository'
	@echo '  test-crate     the user-space crate, on the kernel of the host'
	@echo '  test-unit      KUnit in user-mode Linux with KASAN and lockdep'
	@echo '  test-selftests selftests, KVM selftests and the demo under QEMU'
	@echo '  test-debug     the same with KASAN, lockdep and kmemleak'
	@echo '  test-arm64     unit tests and selftests on an emulated arm64'
	@echo '  test-kcsan     storms in a kernel that looks for data races'
	@echo '  test-configs   builds with other configurations (not part of "test")'
	@echo '  test-gunyah    machines of the hypervisor in HYPVM=FILE (not part of "test")'
	@echo '  bench          measure beside guest_memfd and memfds: make bench [DIR=DIR]'
	@echo '  soak           random operations and storms for MINUTES=30 (not part of "test")'
	@echo '  shell          boot to a shell with the tools and tests in it'
	@echo '  apply          put the series on a git tree: make apply KERNEL_TREE=DIR'
	@echo '  patches        write the series for git am: make patches [DIR=DIR]'
	@echo '  clean          remove what was built for this checkout'
	@echo '  distclean      remove all caches, of every checkout'
	@echo
	@echo '  KERNEL_TREE=DIR builds in a git tree of yours, 7.3 or later; MIRROR=URL'
	@echo '  names a Debian mirror; XDG_CACHE_HOME says where caches go (13 GB).'
	@echo '  BENCH=OPTIONS are options of rmem bench, such as --mib and --rounds.'

.PHONY: run bench shell apply patches
run bench shell apply patches:
	@$(enter) scripts/$@.sh

.PHONY: soak
soak: MINUTES := $(or $(MINUTES),30)
soak:
	@$(enter) scripts/test.sh soak

.PHONY: test
test:
	@$(enter) scripts/test.sh $(groups)

.PHONY: test-gunyah
test-gunyah:
	@$(if $(HYPVM),,echo 'error: HYPVM=FILE has to name a hypervisor; see "A real hypervisor" in Documentation/virt/gunyah/index.rst.' >&2; exit 1)
	@$(enter) scripts/test.sh gunyah

tests := $(groups:%=test-%) test-configs
.PHONY: $(tests)
$(tests): test-%:
	@$(enter) scripts/test.sh $*

.PHONY: clean distclean
clean distclean:
	@scripts/$@.sh
