// SPDX-License-Identifier: GPL-2.0
/* Makes memory that this program cannot touch, and gives it to a KVM machine. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/restrictedmem.h>

static void give_to_machine(int fd, off_t size)
{
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = size,
		.guest_memfd = fd,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0 || ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_RESTRICTEDMEM) <= 0)
		warnx("KVM does not take restricted memory here");
	else if (ioctl(vm, KVM_SET_USER_MEMORY_REGION2, &region))
		err(1, "KVM_SET_USER_MEMORY_REGION2");
}

int main(void)
{
	const off_t size = 16 << 20;
	struct stat st;
	char byte;
	int fd;

	fd = syscall(__NR_memfd_restricted, RMFD_CLOEXEC, -1);
	if (fd < 0)
		err(1, "memfd_restricted");
	if (ftruncate(fd, size))				/* works once */
		err(1, "ftruncate");
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, size / 2))	/* reserve */
		err(1, "fallocate");
	give_to_machine(fd, size);

	if (read(fd, &byte, 1) >= 0)				/* nor any other way */
		errx(1, "read what it must not");

	/* Give a part back. Whoever uses it is asked, and finds zeroes afterwards. */
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, size / 4))
		err(1, "fallocate");
	if (fstat(fd, &st))
		err(1, "fstat");
	printf("%lld of %lld KiB have memory\n", (long long)st.st_blocks / 2,
	       (long long)st.st_size / 1024);
	return 0;
}
