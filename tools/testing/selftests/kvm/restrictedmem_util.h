/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of memslots that are backed by restricted memory share: a guest
 * that touches pages on demand, and memslots to touch.
 */
#ifndef SELFTEST_KVM_RESTRICTEDMEM_UTIL_H
#define SELFTEST_KVM_RESTRICTEDMEM_UTIL_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/bitmap.h>
#include <linux/falloc.h>
#include <linux/restrictedmem.h>
#include <linux/sizes.h>

#include "kvm_syscalls.h"
#include "kvm_util.h"
#include "processor.h"
#include "test_util.h"
#include "ucall_common.h"

/* Above 4 GiB there is nothing else, neither of the library nor of KVM. */
#define MEM_GPA		SZ_4G
#define MEM_SLOT	10

/* Of guests, and of hosts that run these tests. */
#ifndef PAGE_SIZE
#define PAGE_SIZE	((unsigned long)SZ_4K)
#endif

enum guest_op {
	GUEST_WRITE,
	GUEST_CHECK,
	GUEST_CHECK_ZERO,
};

/* What the guest does next; the value of the first page, and one more each. */
static struct guest_cmd {
	u64 op;
	u64 gpa;
	u64 nr_pages;
	u64 value;
} guest_cmd;

static inline void guest_code(void)
{
	for (;;) {
		struct guest_cmd cmd = guest_cmd;
		u64 i;

		for (i = 0; i < cmd.nr_pages; i++) {
			u64 *p = (u64 *)(cmd.gpa + i * PAGE_SIZE);

			switch (cmd.op) {
			case GUEST_WRITE:
				WRITE_ONCE(*p, cmd.value + i);
				break;
			case GUEST_CHECK:
				GUEST_ASSERT_EQ(READ_ONCE(*p), cmd.value + i);
				break;
			case GUEST_CHECK_ZERO:
				GUEST_ASSERT_EQ(READ_ONCE(*p), 0);
				break;
			}
		}
		GUEST_SYNC(0);
	}
}

static inline void set_guest_cmd(struct kvm_vcpu *vcpu, enum guest_op op, gpa_t gpa,
				 u64 nr_pages, u64 value)
{
	guest_cmd.op = op;
	guest_cmd.gpa = gpa;
	guest_cmd.nr_pages = nr_pages;
	guest_cmd.value = value;
	sync_global_to_guest(vcpu->vm, guest_cmd);
}

static inline void assert_guest_done(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	switch (get_ucall(vcpu, &uc)) {
	case UCALL_SYNC:
		break;
	case UCALL_ABORT:
		REPORT_GUEST_ASSERT(uc);
	default:
		TEST_FAIL("Unexpected exit: %s",
			  exit_reason_str(vcpu->run->exit_reason));
	}
}

static inline void run_guest(struct kvm_vcpu *vcpu, enum guest_op op, gpa_t gpa,
			     u64 nr_pages, u64 value)
{
	set_guest_cmd(vcpu, op, gpa, nr_pages, value);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
}

#ifdef __x86_64__
static inline bool has_private_mem(struct kvm_vm *vm)
{
	return vm->type == KVM_X86_SW_PROTECTED_VM;
}

/* Types whose firmware owns the memory of VMs don't support restricted memory. */
static inline bool type_is_supported(unsigned long type)
{
	return type == KVM_X86_DEFAULT_VM || type == KVM_X86_SW_PROTECTED_VM;
}
#else
static inline bool has_private_mem(struct kvm_vm *vm)
{
	return false;
}

static inline bool type_is_supported(unsigned long type)
{
	return type == VM_TYPE_DEFAULT;
}
#endif

/* A VM that can access the first @size bytes above MEM_GPA. */
static inline struct kvm_vm *create_vm(unsigned long type, u64 size,
				       struct kvm_vcpu **vcpu)
{
	const struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = type,
	};
	struct kvm_vm *vm;

	vm = __vm_create_shape_with_one_vcpu(shape, vcpu, size / PAGE_SIZE / 64,
					     guest_code);
	virt_map(vm, MEM_GPA, MEM_GPA, size / PAGE_SIZE);
	if (has_private_mem(vm))
		vm_mem_set_private(vm, MEM_GPA, size);
	return vm;
}

static inline int __add_slot(struct kvm_vm *vm, int slot, gpa_t gpa, u64 size, int fd,
			     u64 offset)
{
	return __vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, gpa,
					    size, NULL, fd, offset);
}

static inline void add_slot(struct kvm_vm *vm, int slot, gpa_t gpa, u64 size, int fd,
			    u64 offset)
{
	vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, gpa, size,
				   NULL, fd, offset);
}

static inline void delete_slot(struct kvm_vm *vm, int slot)
{
	vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, 0, 0, NULL,
				   -1, 0);
}

#define assert_fails(call, error)						\
do {										\
	int __r = (call), __error = (error);					\
										\
	TEST_ASSERT(__r == -1 && errno == __error,				\
		    "Expected %s to fail with %s, got %d, errno %d (%s)",	\
		    #call, #error, __r, errno, strerror(errno));		\
} while (0)

static inline void collapse(int fd, u64 offset, u64 size)
{
	struct rmfd_collapse args = {
		.offset = offset,
		.len = size,
		.size = sizeof(args),
	};

	kvm_ioctl(fd, RMFD_COLLAPSE, &args);
	TEST_ASSERT_EQ(args.done, size);
}

static inline void punch(int fd, u64 offset, u64 size)
{
	kvm_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

static inline u64 allocated(int fd)
{
	struct stat st;

	TEST_ASSERT(!fstat(fd, &st), __KVM_SYSCALL_ERROR("fstat()", -1));
	return st.st_blocks * 512ULL;
}

#define THP_ENABLED "/sys/kernel/mm/transparent_hugepage/enabled"

static bool large_folios;

static inline int new_memory(u64 size)
{
	int fd = memfd_restricted(RMFD_CLOEXEC | (large_folios ? RMFD_HUGEPAGE : 0), -1);

	TEST_ASSERT(fd >= 0, __KVM_SYSCALL_ERROR("memfd_restricted()", fd));
	kvm_ftruncate(fd, size);
	return fd;
}

/* A large folio may be more than what was asked for. */
static inline void assert_allocated(int fd, u64 size)
{
	if (!large_folios)
		TEST_ASSERT_EQ(allocated(fd), size);
}

/* Run a test for each type of VM that there is, with small and large folios. */
static inline void test_each_type(void (*test)(unsigned long type))
{
	unsigned long types, type;

	TEST_REQUIRE(getpagesize() == PAGE_SIZE);

	/* Who has no such capability has the default type. */
	types = kvm_check_cap(KVM_CAP_VM_TYPES) ?: BIT(VM_TYPE_DEFAULT);
	for_each_set_bit(type, &types, BITS_PER_TYPE(types))
		test(type);

	large_folios = !access(THP_ENABLED, F_OK);
	if (!large_folios) {
		pr_info("Can't ask for large folios\n");
		return;
	}
	for_each_set_bit(type, &types, BITS_PER_TYPE(types))
		test(type);
}

#endif /* SELFTEST_KVM_RESTRICTEDMEM_UTIL_H */
