// SPDX-License-Identifier: GPL-2.0
/*
 * Restricted memory that a vCPU touches, but that is broken or not to be had: the vCPU
 * exits to userspace, which is told where and why, instead of trying for ever.
 */
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "cgroup_util.h"
#include "restrictedmem_util.h"

#include "../../../../mm/restrictedmem/test_consumer_uapi.h"

#define HWPOISON_INJECT	"/sys/kernel/debug/hwpoison/corrupt-pfn"

/* Page frame number of a page of a file that nobody holds. */
static u64 pfn_of(int dev, int fd, u64 index)
{
	struct rmtest_bind bind = {
		.start = index, .end = index + 1, .fd = fd, .mode = RMTEST_EXCLUSIVE,
	};
	struct rmtest_get get = { .index = index };

	kvm_ioctl(dev, RMTEST_BIND, &bind);
	get.id = bind.id;
	kvm_ioctl(dev, RMTEST_GET, &get);
	kvm_ioctl(dev, RMTEST_UNBIND, (void *)(unsigned long)bind.id);
	return get.pfn;
}

static void inject_error(u64 pfn)
{
	char text[32];
	int fd;

	fd = open(HWPOISON_INJECT, O_WRONLY);
	TEST_ASSERT(fd >= 0, __KVM_SYSCALL_ERROR("open()", fd));
	snprintf(text, sizeof(text), "%lu", pfn);
	TEST_ASSERT_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	kvm_close(fd);
}

static void assert_memory_fault(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_MEMORY_FAULT);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.gpa, gpa);
	TEST_ASSERT_EQ(vcpu->run->memory_fault.size, PAGE_SIZE);
}

/*
 * A page with an uncorrectable error is unmapped, and whoever touches it exits to
 * userspace, which is told where and why.  The others stay, as does the VM.
 */
static void test_memory_error(unsigned long type)
{
	const u64 nr = 16, size = nr * PAGE_SIZE, bad = 5;
	struct timespec start;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd, dev, r, i;
	u64 pfn;

	dev = open(RMTEST_DEVICE, O_RDWR);
	if (dev < 0 || access(HWPOISON_INJECT, W_OK)) {
		pr_info("No %s or no %s, skipping %s\n", RMTEST_DEVICE,
			HWPOISON_INJECT, __func__);
		return;
	}

	fd = new_memory(size);
	vm = create_vm(type, size, &vcpu);
	pfn = pfn_of(dev, fd, bad);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);

	inject_error(pfn);

	/* Consumers are told by somebody else, a little later. */
	set_guest_cmd(vcpu, GUEST_WRITE, MEM_GPA + bad * PAGE_SIZE, 1, 2000);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!(r = __vcpu_run(vcpu))) {
		assert_guest_done(vcpu);
		TEST_ASSERT(timespec_elapsed(start).tv_sec < 10, "The page is still mapped");
		usleep(1000);
	}

	for (i = 0; i < 3; i++) {
		assert_fails(r, EHWPOISON);
		assert_memory_fault(vcpu, MEM_GPA + bad * PAGE_SIZE);
		if (i < 2)
			r = __vcpu_run(vcpu);
	}

	/* A hole brings new memory, and the vCPU goes on where it was. */
	punch(fd, bad * PAGE_SIZE, PAGE_SIZE);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, bad, 1000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + bad * PAGE_SIZE, 1, 2000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + (bad + 1) * PAGE_SIZE, nr - bad - 1,
		  1000 + bad + 1);

	kvm_vm_free(vm);
	kvm_close(fd);
	kvm_close(dev);
}

/* What a tmpfs that is mounted nowhere has room for. */
static void set_room(int tmpfs, const char *size, int cmd)
{
	TEST_ASSERT(!fsconfig(tmpfs, FSCONFIG_SET_STRING, "size", size, 0) &&
		    !fsconfig(tmpfs, cmd, NULL, NULL, 0),
		    __KVM_SYSCALL_ERROR("fsconfig()", -1));
}

/* As often as it is run. */
#define assert_no_memory(vcpu, gpa, error)					\
do {										\
	struct kvm_pre_fault_memory __range = {					\
		.gpa = (gpa), .size = PAGE_SIZE,				\
	};									\
										\
	for (int __i = 0; __i < 3; __i++) {					\
		assert_fails(__vcpu_run(vcpu), error);				\
		assert_memory_fault(vcpu, gpa);					\
	}									\
	if (vm_check_cap((vcpu)->vm, KVM_CAP_PRE_FAULT_MEMORY)) {		\
		assert_fails(__vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY,		\
					  &__range), error);			\
		TEST_ASSERT_EQ(__range.size, PAGE_SIZE);			\
	}									\
} while (0)

/* A vCPU that touches memory which the file can't get goes on when there is some. */
static void test_no_memory(unsigned long type)
{
	const u64 size = 4 * PAGE_SIZE, gpa = MEM_GPA + 2 * PAGE_SIZE;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int tmpfs, mnt, fd;

	tmpfs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (tmpfs < 0) {
		pr_info("Can't make a tmpfs, skipping %s\n", __func__);
		return;
	}
	set_room(tmpfs, "4k", FSCONFIG_CMD_CREATE);
	mnt = fsmount(tmpfs, FSMOUNT_CLOEXEC, 0);
	TEST_ASSERT(mnt >= 0, __KVM_SYSCALL_ERROR("fsmount()", mnt));
	fd = memfd_restricted(RMFD_CLOEXEC | RMFD_USERMNT, mnt);
	TEST_ASSERT(fd >= 0, __KVM_SYSCALL_ERROR("memfd_restricted()", fd));
	kvm_ftruncate(fd, size);

	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 1000);

	set_guest_cmd(vcpu, GUEST_WRITE, gpa, 1, 2000);
	assert_no_memory(vcpu, gpa, ENOSPC);
	TEST_ASSERT_EQ(allocated(fd), PAGE_SIZE);

	/* There is some after a hole elsewhere, ... */
	punch(fd, 0, PAGE_SIZE);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	set_guest_cmd(vcpu, GUEST_CHECK_ZERO, MEM_GPA, 1, 0);
	assert_fails(__vcpu_run(vcpu), ENOSPC);
	assert_memory_fault(vcpu, MEM_GPA);

	/* ... and when there is more for all. */
	set_room(tmpfs, "8k", FSCONFIG_CMD_RECONFIGURE);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	run_guest(vcpu, GUEST_CHECK, gpa, 1, 2000);
	TEST_ASSERT_EQ(allocated(fd), 2 * PAGE_SIZE);

	kvm_vm_free(vm);
	kvm_close(fd);
	kvm_close(mnt);
	kvm_close(tmpfs);
}

/* A cgroup of one's own, or NULL. */
static char *new_cgroup(void)
{
	char root[PATH_MAX], name[32], *cgroup;

	if (cg_find_controller_root(root, sizeof(root), "memory"))
		return NULL;
	cg_write(root, "cgroup.subtree_control", "+memory");
	snprintf(name, sizeof(name), "restrictedmem-%d", getpid());
	cgroup = cg_name(root, name);
	if (!cg_create(cgroup) && cg_read_long(cgroup, "memory.current") >= 0)
		return cgroup;
	rmdir(cgroup);
	free(cgroup);
	return NULL;
}

/* New memory that a cgroup pays for, in which none of the VM's threads is. */
static int new_memory_of(const char *cgroup, u64 size)
{
	int status;
	pid_t pid;

	/* With our file descriptors, but in the cgroup. */
	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("clone()", pid));
	if (!pid)
		_exit(cg_enter_current(cgroup) ? 255 : new_memory(size));
	TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
	TEST_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) < 255,
		    "Nobody made memory in %s", cgroup);
	return WEXITSTATUS(status);
}

/* The same if it isn't the mount that is full, but the cgroup of the file's creator. */
static void test_no_memory_in_cgroup(unsigned long type)
{
	const u64 size = 4 * PAGE_SIZE, gpa = MEM_GPA + 2 * PAGE_SIZE;
	char *cgroup = new_cgroup();
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	if (!cgroup) {
		pr_info("Can't make a memory cgroup, skipping %s\n", __func__);
		return;
	}
	fd = new_memory_of(cgroup, size);
	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 1000);

	/* Not even what it has would be granted now; but it has it. */
	TEST_ASSERT_EQ(cg_write(cgroup, "memory.max", "0"), 0);
	set_guest_cmd(vcpu, GUEST_WRITE, gpa, 1, 2000);
	assert_no_memory(vcpu, gpa, ENOMEM);
	TEST_ASSERT_EQ(allocated(fd), PAGE_SIZE);

	TEST_ASSERT_EQ(cg_write(cgroup, "memory.max", "max"), 0);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 1, 1000);
	run_guest(vcpu, GUEST_CHECK, gpa, 1, 2000);
	TEST_ASSERT_EQ(allocated(fd), 2 * PAGE_SIZE);

	kvm_vm_free(vm);
	kvm_close(fd);
	cg_destroy(cgroup);
	free(cgroup);
}

static void test_type(unsigned long type)
{
	if (!type_is_supported(type))
		return;

	test_memory_error(type);
	/* Where a large folio doesn't fit, a small one may. */
	if (large_folios)
		return;
	test_no_memory(type);
	test_no_memory_in_cgroup(type);
}

int main(void)
{
	TEST_REQUIRE(kvm_has_cap(KVM_CAP_RESTRICTEDMEM));
	test_each_type(test_type);
}
