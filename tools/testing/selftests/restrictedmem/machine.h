/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that make machines of Gunyah.
 *
 * To be included after kselftest_harness.h, restrictedmem.h, load.h and text.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_MACHINE_H
#define _SELFTESTS_RESTRICTEDMEM_MACHINE_H

#include <sys/ioctl.h>

#include <linux/gunyah.h>

#include "machine_program.h"

#define DEVICE "/dev/gunyah"
#define NO_DEVICE "there is no " DEVICE
#define PAGES 64		/* of a file, of which a machine has the first ones */

/* Is there a hypervisor? If not, there is a model of it. */
static inline bool is_real(void)
{
	return !access("/sys/bus/platform/drivers/gunyah", F_OK);
}

static inline struct gh_vm_memory memory_of(int fd)
{
	struct gh_vm_memory memory = {
		.guest_phys_addr = BASE,
		.size = HAS * page_size(),
		.fd = fd,
	};

	return memory;
}

static inline struct gh_vm_config config(void)
{
	struct gh_vm_config config = {
		.image_addr = BASE,
		.image_size = page_size(),
		.dtb_addr = BASE + TREE,
		.dtb_size = TREE_SIZE,
	};

	return config;
}

static inline int set_memory(int vm, int fd)
{
	struct gh_vm_memory memory = memory_of(fd);

	return ioctl(vm, GH_VM_SET_MEMORY, &memory);
}

static inline int configure(int vm)
{
	struct gh_vm_config where = config();

	return ioctl(vm, GH_VM_CONFIGURE, &where);
}

/* A machine that has memory and is configured, or -1. */
static inline int new_configured(int device, int fd)
{
	int vm = load_machine(fd) ? -1 : ioctl(device, GH_CREATE_VM, 0);

	if (vm >= 0 && (set_memory(vm, fd) || configure(vm))) {
		close(vm);
		return -1;
	}
	return vm;
}

/* A virtual processor of a machine that runs, or -1. */
static inline int new_running(int vm)
{
	int vcpu = ioctl(vm, GH_VM_CREATE_VCPU, 0);

	if (vcpu >= 0 && ioctl(vm, GH_VM_START, 0)) {
		close(vcpu);
		return -1;
	}
	return vcpu;
}

/* Lets a processor run, which reads @value if it has begun to read. */
static inline int run(int vcpu, struct gh_vcpu_run *run, uint64_t value)
{
	run->mmio_data = value;
	return ioctl(vcpu, GH_VCPU_RUN, run);
}

static inline bool reads(const struct gh_vcpu_run *run)
{
	return run->exit_reason == GH_VCPU_EXIT_MMIO && !run->mmio_is_write &&
	       run->mmio_addr == INPUT && run->mmio_len == 4;
}

static inline bool writes(const struct gh_vcpu_run *run, uint64_t value)
{
	return run->exit_reason == GH_VCPU_EXIT_MMIO && run->mmio_is_write == 1 &&
	       run->mmio_addr == OUTPUT && run->mmio_len == 8 && run->mmio_data == value;
}

/* Who holds what of a file, as it says itself; to be freed. */
static inline char *bindings_of(int fd)
{
	char path[64], *text, *bindings;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	text = read_text(path);
	bindings = text ? strstr(text, "binding:") : NULL;
	if (text)
		memmove(text, bindings ?: "", bindings ? strlen(bindings) + 1 : 1);
	return text;
}

/* Is the only one who holds anything of the file a machine? */
static inline bool machine_has_it(int fd)
{
	char *text = bindings_of(fd), expected[64];
	bool has;

	snprintf(expected, sizeof(expected), "binding:\t0x0-0x%lx exclusive gunyah\n",
		 HAS * page_size());
	has = text && !strcmp(text, expected);
	free(text);
	return has;
}

static inline bool nobody_has_it(int fd)
{
	char *text = bindings_of(fd);
	bool nobody = text && !*text;

	free(text);
	return nobody;
}

static inline long long lost_of(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return read_key(path, "quarantined:");
}

#endif /* _SELFTESTS_RESTRICTEDMEM_MACHINE_H */
