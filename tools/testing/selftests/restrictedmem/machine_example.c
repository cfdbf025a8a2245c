// SPDX-License-Identifier: GPL-2.0
/* Makes a machine of memory that this program cannot touch, and is its only device. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/gunyah.h>
#include <linux/restrictedmem.h>

#define BASE 0x80000000		/* as the device tree says */
#define SIZE (4 << 20)
#define DTB (2 << 20)		/* where the device tree is in it */
#define DTB_SIZE (64 << 10)

/* Contents get into the memory while no machine has it. */
static void load(int fd, uint64_t offset, void *bytes, uint64_t len)
{
	struct rmfd_load load = {
		.offset = offset,
		.len = len,
		.addr = (uintptr_t)bytes,
		.size = sizeof(load),
	};

	if (ioctl(fd, RMFD_LOAD, &load))
		err(1, "RMFD_LOAD");
}

int main(void)
{
	int fd = syscall(__NR_memfd_restricted, RMFD_CLOEXEC | RMFD_HUGEPAGE, -1);
	int device = open("/dev/gunyah", O_RDWR | O_CLOEXEC);
	int vm = ioctl(device, GH_CREATE_VM, 0), vcpu;
	struct gh_vm_memory memory = { .guest_phys_addr = BASE, .size = SIZE, .fd = fd };
	struct gh_vm_config config = {
		.image_addr = BASE,
		.image_size = DTB,
		.dtb_addr = BASE + DTB,
		.dtb_size = DTB_SIZE,
	};
	void *image = calloc(1, DTB), *dtb = calloc(1, DTB_SIZE);
	struct gh_vcpu_run run = {};

	if (fd < 0 || vm < 0 || !image || !dtb)
		err(1, "a machine");

	/* Here image and dtb would be filled from files. */
	if (ftruncate(fd, SIZE))
		err(1, "ftruncate");
	load(fd, 0, image, DTB);
	load(fd, DTB, dtb, DTB_SIZE);

	if (ioctl(vm, GH_VM_SET_MEMORY, &memory))
		err(1, "GH_VM_SET_MEMORY");
	if (ioctl(vm, GH_VM_CONFIGURE, &config))
		err(1, "GH_VM_CONFIGURE");
	vcpu = ioctl(vm, GH_VM_CREATE_VCPU, 0);
	if (vcpu < 0 || ioctl(vm, GH_VM_START, 0))
		err(1, "GH_VM_START");

	for (;;) {
		if (ioctl(vcpu, GH_VCPU_RUN, &run))
			err(1, "GH_VCPU_RUN");
		if (run.exit_reason != GH_VCPU_EXIT_MMIO)
			break;
		if (run.mmio_is_write)
			printf("it writes %#llx at %#llx\n", run.mmio_data, run.mmio_addr);
		else
			run.mmio_data = 0;	/* what it reads from us */
	}
	if (run.exit_reason != GH_VCPU_EXIT_STATUS)
		errx(1, "it cannot go on");
	printf("it is over: %u\n", run.status);

	/* The machine ends with its last descriptor. Its memory stays in the file. */
	close(vcpu);
	close(vm);
	close(device);
	close(fd);
	free(image);
	free(dtb);
	return 0;
}
