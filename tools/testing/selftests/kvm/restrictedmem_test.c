// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots that are backed by restricted memory, i.e. by memfd_restricted().
 *
 * What restricted memory has in common with guest_memfd is tested by the tests
 * of guest_memfd, run on restricted memory.  This is about what it doesn't: it
 * belongs to no VM, outlives VMs and file descriptors, comes in large folios,
 * and somebody who is not the VM may take it away at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
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

#include "../../../../mm/restrictedmem/test_consumer_uapi.h"

/* Above 4 GiB there is nothing else, neither of the library nor of KVM. */
#define MEM_GPA		SZ_4G
#define MEM_SLOT	10

#define STORM_SECONDS	3

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

static void guest_code(void)
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

static void set_guest_cmd(struct kvm_vcpu *vcpu, enum guest_op op, gpa_t gpa,
			  u64 nr_pages, u64 value)
{
	guest_cmd.op = op;
	guest_cmd.gpa = gpa;
	guest_cmd.nr_pages = nr_pages;
	guest_cmd.value = value;
	sync_global_to_guest(vcpu->vm, guest_cmd);
}

static void assert_guest_done(struct kvm_vcpu *vcpu)
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

static void run_guest(struct kvm_vcpu *vcpu, enum guest_op op, gpa_t gpa,
		      u64 nr_pages, u64 value)
{
	set_guest_cmd(vcpu, op, gpa, nr_pages, value);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
}

static bool has_private_mem(struct kvm_vm *vm)
{
	return vm->type == KVM_X86_SW_PROTECTED_VM;
}

/* A VM that can access the first @size bytes above MEM_GPA. */
static struct kvm_vm *create_vm(unsigned long type, u64 size,
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

static int __add_slot(struct kvm_vm *vm, int slot, gpa_t gpa, u64 size, int fd,
		      u64 offset)
{
	return __vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, gpa,
					    size, NULL, fd, offset);
}

static void add_slot(struct kvm_vm *vm, int slot, gpa_t gpa, u64 size, int fd,
		     u64 offset)
{
	vm_set_user_memory_region2(vm, slot, KVM_MEM_GUEST_MEMFD, gpa, size,
				   NULL, fd, offset);
}

static void delete_slot(struct kvm_vm *vm, int slot)
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

static void punch(int fd, u64 offset, u64 size)
{
	kvm_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size);
}

static u64 allocated(int fd)
{
	struct stat st;

	TEST_ASSERT(!fstat(fd, &st), __KVM_SYSCALL_ERROR("fstat()", -1));
	return st.st_blocks * 512ULL;
}

static bool large_folios;

/* A large folio may be more than what was asked for. */
static void assert_allocated(int fd, u64 size)
{
	if (!large_folios)
		TEST_ASSERT_EQ(allocated(fd), size);
}

/* Memory moves between memslots and VMs, and keeps its contents. */
static void test_rebind(unsigned long type)
{
	const u64 nr = 16, size = nr * PAGE_SIZE, half = size / 2;
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm, *other;
	int fd;

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, 2 * size, &vcpu);
	other = create_vm(type, 2 * size, &other_vcpu);

	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA, nr, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
	assert_allocated(fd, size);

	/* At another address. */
	delete_slot(vm, MEM_SLOT);
	add_slot(vm, MEM_SLOT, MEM_GPA + size, size, fd, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + size, nr, 1000);

	/* In two halves, the second one first. */
	delete_slot(vm, MEM_SLOT);
	add_slot(vm, MEM_SLOT, MEM_GPA, half, fd, half);
	add_slot(vm, MEM_SLOT + 1, MEM_GPA + half, half, fd, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr / 2, 1000 + nr / 2);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + half, nr / 2, 1000);

	/* One half in each VM. */
	assert_fails(__add_slot(other, MEM_SLOT, MEM_GPA, half, fd, half), EBUSY);
	delete_slot(vm, MEM_SLOT);
	add_slot(other, MEM_SLOT, MEM_GPA, half, fd, half);
	run_guest(other_vcpu, GUEST_CHECK, MEM_GPA, nr / 2, 1000 + nr / 2);
	run_guest(other_vcpu, GUEST_WRITE, MEM_GPA, nr / 2, 2000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + half, nr / 2, 1000);

	/* From a VM that is gone. */
	kvm_vm_free(other);
	add_slot(vm, MEM_SLOT, MEM_GPA, half, fd, half);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr / 2, 2000);
	kvm_vm_free(vm);

	vm = create_vm(type, 2 * size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr / 2, 1000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + half, nr / 2, 2000);
	kvm_vm_free(vm);

	kvm_close(fd);
}

/* A VM that has the memory doesn't need the file descriptor. */
static void test_close(unsigned long type)
{
	const u64 nr = 16, size = nr * PAGE_SIZE;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr / 2, 1000);

	kvm_close(fd);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr / 2, 1000);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 2000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr, 2000);

	delete_slot(vm, MEM_SLOT);
	kvm_vm_free(vm);
}

static void test_errors(unsigned long type)
{
	const u64 size = 4 * PAGE_SIZE;
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm, *other;
	int fd, bad;

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, 2 * size, &vcpu);
	other = create_vm(type, 2 * size, &other_vcpu);

	/* Outside of the file, or without a size. */
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size + PAGE_SIZE, fd, 0), EINVAL);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, PAGE_SIZE), EINVAL);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, PAGE_SIZE, fd, size), EINVAL);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 512), EINVAL);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, -PAGE_SIZE), EINVAL);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 1ULL << 63), EINVAL);
	bad = memfd_restricted(RMFD_CLOEXEC, -1);
	TEST_ASSERT(bad >= 0, __KVM_SYSCALL_ERROR("memfd_restricted()", bad));
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, bad, 0), EINVAL);
	kvm_close(bad);

	/* Not restricted memory, not even a file. */
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, bad, 0), EBADF);
	bad = kvm_memfd_alloc(size, false);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, bad, 0), EINVAL);
	kvm_close(bad);
	bad = open("/dev/zero", O_RDWR);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, size, bad, 0), EINVAL);
	kvm_close(bad);

	/* Overlaps, in the file. */
	add_slot(vm, MEM_SLOT, MEM_GPA, size / 2, fd, PAGE_SIZE);
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + size, size / 2, fd, 0), EEXIST);
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + size, size, fd, 0), EEXIST);
	assert_fails(__add_slot(other, MEM_SLOT, MEM_GPA, size / 2, fd, 0), EBUSY);
	assert_fails(__add_slot(other, MEM_SLOT, MEM_GPA, size, fd, 0), EBUSY);
	add_slot(vm, MEM_SLOT + 1, MEM_GPA + size, PAGE_SIZE, fd, 0);
	add_slot(other, MEM_SLOT, MEM_GPA, PAGE_SIZE, fd, size - PAGE_SIZE);

	/* Such a memslot can only be deleted. */
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA + 2 * size, size / 2, fd, PAGE_SIZE),
		     EINVAL);
	assert_fails(__vm_set_user_memory_region(vm, MEM_SLOT, 0, MEM_GPA + 2 * size,
						 size / 2, NULL), EINVAL);
	assert_fails(__vm_set_user_memory_region(vm, MEM_SLOT, KVM_MEM_LOG_DIRTY_PAGES,
						 MEM_GPA, size / 2, NULL), EINVAL);
	assert_fails(__vm_set_user_memory_region2(vm, MEM_SLOT,
						  KVM_MEM_GUEST_MEMFD | KVM_MEM_LOG_DIRTY_PAGES,
						  MEM_GPA, size / 2, NULL, fd, PAGE_SIZE), EINVAL);
	assert_fails(__vm_set_user_memory_region2(vm, MEM_SLOT + 2,
						  KVM_MEM_GUEST_MEMFD | KVM_MEM_READONLY,
						  MEM_GPA, PAGE_SIZE, NULL, fd, 0), EINVAL);

	/* None of which has done any harm. */
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 2, 1000);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA + size, 1, 2000);
	run_guest(other_vcpu, GUEST_WRITE, MEM_GPA, 1, 3000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 2, 1000);

	kvm_vm_free(vm);
	kvm_vm_free(other);
	kvm_close(fd);
}

static void test_punch(unsigned long type)
{
	const u64 nr = 16, size = nr * PAGE_SIZE;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	/* The memslot begins at page 4 of the file. */
	fd = vm_create_restrictedmem(size + 4 * PAGE_SIZE);
	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 4 * PAGE_SIZE);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);

	punch(fd, 8 * PAGE_SIZE, 4 * PAGE_SIZE);
	assert_allocated(fd, size - 4 * PAGE_SIZE);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 4, 1000);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + 4 * PAGE_SIZE, 4, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + 8 * PAGE_SIZE, nr - 8, 1008);

	/* Right before and behind the memslot, then across its edges. */
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 2000);
	punch(fd, 0, 4 * PAGE_SIZE);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr, 2000);
	punch(fd, 3 * PAGE_SIZE, 2 * PAGE_SIZE);
	punch(fd, size + 3 * PAGE_SIZE, 2 * PAGE_SIZE);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA, 1, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + PAGE_SIZE, nr - 2, 2001);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + size - PAGE_SIZE, 1, 0);

	/* Without a memslot. */
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 3000);
	delete_slot(vm, MEM_SLOT);
	punch(fd, 0, size + 4 * PAGE_SIZE);
	TEST_ASSERT_EQ(allocated(fd), 0);
	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA, nr, 0);

	kvm_vm_free(vm);
	kvm_close(fd);
}

/* One hole is one TLB flush, however many memslots it reaches. */
static void test_flush(unsigned long type)
{
	const u64 nr_slots = 100, slot_size = 4 * PAGE_SIZE;
	const u64 size = nr_slots * slot_size, nr = size / PAGE_SIZE;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 i, before;
	int fd;

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, size, &vcpu);

	/* In reverse order, lest neighbours in the file are neighbours here. */
	for (i = 0; i < nr_slots; i++)
		add_slot(vm, MEM_SLOT + i, MEM_GPA + i * slot_size, slot_size,
			 fd, size - (i + 1) * slot_size);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);

	before = vm_get_stat(vm, remote_tlb_flush_requests);
	punch(fd, PAGE_SIZE, size - 2 * PAGE_SIZE);
	TEST_ASSERT_EQ(vm_get_stat(vm, remote_tlb_flush_requests) - before, 1);

	/* And none if nothing was mapped. */
	punch(fd, PAGE_SIZE, size - 2 * PAGE_SIZE);
	TEST_ASSERT_EQ(vm_get_stat(vm, remote_tlb_flush_requests) - before, 1);

	/* The first page of the file is in the last slot and vice versa. */
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA, 3, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + 3 * PAGE_SIZE, 1, 1003);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + slot_size, nr - 8, 0);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA + size - slot_size, 1, 1000 + nr - 4);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + size - 3 * PAGE_SIZE, 3, 0);

	kvm_vm_free(vm);
	kvm_close(fd);
}

static void test_pre_fault(unsigned long type)
{
	const u64 nr = 64, size = nr * PAGE_SIZE;
	struct kvm_pre_fault_memory range = { .gpa = MEM_GPA, .size = size };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, size, &vcpu);
	if (!vm_check_cap(vm, KVM_CAP_PRE_FAULT_MEMORY))
		goto out;

	add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0);
	while (range.size)
		vcpu_ioctl(vcpu, KVM_PRE_FAULT_MEMORY, &range);
	assert_allocated(fd, size);
	TEST_ASSERT_EQ(vm_get_stat(vm, pages_4k) >= nr, true);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA, nr, 0);
out:
	kvm_vm_free(vm);
	kvm_close(fd);
}

/*
 * Large pages need guest address, file offset, and, if shared memory may come
 * from there, userspace address to be aligned.
 */
static void test_large(unsigned long type)
{
	const struct {
		const char *name;
		u64 gpa;
		u64 offset;
		u64 hva;
		bool large;
		bool large_if_private;
	} cases[] = {
		/*		  guest		file		user */
		{ "aligned",	  0,		0,		0,	   true,  true },
		{ "other blocks", SZ_2M,	2 * SZ_2M,	0,	   true,  true },
		{ "guest off",	  PAGE_SIZE,	0,		0,	   false, false },
		{ "file off",	  0,		PAGE_SIZE,	0,	   false, false },
		{ "user off",	  0,		0,		PAGE_SIZE, true,  false },
		{ "only user on", PAGE_SIZE,	PAGE_SIZE,	0,	   true,  false },
		{ "all off",	  PAGE_SIZE,	PAGE_SIZE,	PAGE_SIZE, true,  true },
	};
	const u64 size = 4 * SZ_2M, slot_size = 2 * SZ_2M;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		bool large = cases[i].large;
		gpa_t gpa = MEM_GPA + cases[i].gpa;
		gpa_t block;
		u64 nr;

		vm = create_vm(type, size, &vcpu);
		if (has_private_mem(vm))
			large = cases[i].large_if_private;

		fd = vm_create_restrictedmem(size);
		vm_set_user_memory_region2(vm, MEM_SLOT, KVM_MEM_GUEST_MEMFD,
					   gpa, slot_size, (void *)cases[i].hva, fd,
					   cases[i].offset);

		/* The middle one of what may be three blocks of the file. */
		block = gpa - cases[i].offset + ALIGN(cases[i].offset, SZ_2M);
		run_guest(vcpu, GUEST_WRITE, block, 1, 1000);
		if (allocated(fd) < SZ_2M) {
			pr_info("No large folios, skipping the rest of %s\n", __func__);
			i = ARRAY_SIZE(cases);
			goto next;
		}

		nr = vm_get_stat(vm, pages_2m);
		TEST_ASSERT(nr == large, "%s: expected %d large page(s), got %lu",
			    cases[i].name, large, nr);

		/* Of all the pages, a hole takes only the one that is meant. */
		run_guest(vcpu, GUEST_WRITE, block, 512, 1000);
		punch(fd, ALIGN(cases[i].offset, SZ_2M) + 5 * PAGE_SIZE, PAGE_SIZE);
		TEST_ASSERT_EQ(vm_get_stat(vm, pages_2m), 0);
		run_guest(vcpu, GUEST_CHECK, block, 5, 1000);
		run_guest(vcpu, GUEST_CHECK_ZERO, block + 5 * PAGE_SIZE, 1, 0);
		run_guest(vcpu, GUEST_CHECK, block + 6 * PAGE_SIZE, 506, 1006);
		TEST_ASSERT_EQ(vm_get_stat(vm, pages_2m), 0);
next:
		kvm_vm_free(vm);
		kvm_close(fd);
	}
}

static void *vcpu_thread(void *arg)
{
	struct kvm_vcpu *vcpu = arg;

	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	return NULL;
}

static bool seconds_passed(const struct timespec *start, int seconds)
{
	return timespec_to_ns(timespec_elapsed(*start)) >= seconds * NSEC_PER_SEC;
}

/*
 * A vCPU that touches memory beside a hole just when it's punched must not map
 * the hole with a large page, for which it may have got its memory before.
 */
static void test_large_race(unsigned long type)
{
	struct timespec start;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	pthread_t thread;
	int fd, i;

	fd = vm_create_restrictedmem(SZ_2M);
	vm = create_vm(type, SZ_2M, &vcpu);

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; !seconds_passed(&start, STORM_SECONDS); i++) {
		/* A large folio with contents that isn't mapped. */
		add_slot(vm, MEM_SLOT, MEM_GPA, SZ_2M, fd, 0);
		punch(fd, 0, SZ_2M);
		run_guest(vcpu, GUEST_WRITE, MEM_GPA, 512, 1000);
		delete_slot(vm, MEM_SLOT);
		add_slot(vm, MEM_SLOT, MEM_GPA, SZ_2M, fd, 0);

		set_guest_cmd(vcpu, GUEST_CHECK, MEM_GPA + 7 * PAGE_SIZE, 1, 1007);
		kvm_pthread_create(&thread, NULL, vcpu_thread, vcpu);
		usleep(i % 16 * 50);
		punch(fd, 5 * PAGE_SIZE, PAGE_SIZE);
		kvm_pthread_join(thread, NULL);

		run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + 5 * PAGE_SIZE, 1, 0);
		delete_slot(vm, MEM_SLOT);
	}
	pr_info("%s: %d holes\n", __func__, i);

	kvm_vm_free(vm);
	kvm_close(fd);
}

/* Somebody who takes memory away, again and again. */
struct puncher {
	int fd;
	u64 size;
	bool stop;
	u64 holes;
	pthread_t thread;
};

static void *puncher_thread(void *arg)
{
	struct puncher *p = arg;
	unsigned int seed = 1;

	while (!READ_ONCE(p->stop)) {
		u64 nr = p->size / PAGE_SIZE;
		u64 first = rand_r(&seed) % nr;
		u64 pages = 1 + rand_r(&seed) % (nr - first);
		int r;

		r = fallocate(p->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      first * PAGE_SIZE, pages * PAGE_SIZE);
		TEST_ASSERT(!r || errno == EAGAIN,
			    __KVM_SYSCALL_ERROR("fallocate()", r));
		p->holes += !r;

		/* Leave some time to those who wait for the same lock. */
		if (rand_r(&seed) % 16 == 0)
			usleep(rand_r(&seed) % 1000);
	}
	return NULL;
}

static void start_puncher(struct puncher *p, int fd, u64 size)
{
	*p = (struct puncher) { .fd = kvm_dup(fd), .size = size };
	kvm_pthread_create(&p->thread, NULL, puncher_thread, p);
}

static void stop_puncher(struct puncher *p)
{
	WRITE_ONCE(p->stop, true);
	kvm_pthread_join(p->thread, NULL);
	kvm_close(p->fd);
	TEST_ASSERT(p->holes, "No hole was punched");
}

static void add_slots(struct kvm_vm *vm, int nr_slots, u64 size, int fd)
{
	int i;

	for (i = 0; i < nr_slots; i++)
		add_slot(vm, MEM_SLOT + i, MEM_GPA + i * (size / nr_slots),
			 size / nr_slots, fd, i * (size / nr_slots));
}

/* VMs come and go, properly, while somebody else punches holes. */
static void test_storm(unsigned long type)
{
	const u64 nr = 64, size = nr * PAGE_SIZE;
	struct puncher puncher;
	struct timespec start;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd, nr_vms = 0;

	fd = vm_create_restrictedmem(size);
	start_puncher(&puncher, fd, size);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!seconds_passed(&start, STORM_SECONDS)) {
		vm = create_vm(type, size, &vcpu);
		add_slots(vm, 8, size, fd);
		run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
		delete_slot(vm, MEM_SLOT + nr_vms % 8);
		kvm_vm_free(vm);
		nr_vms++;
	}
	stop_puncher(&puncher);
	pr_info("%s: %d VMs, %lu holes\n", __func__, nr_vms, puncher.holes);

	kvm_close(fd);
}

/* The same with VMs that run, and die when their process is killed. */
static void test_kill_storm(unsigned long type)
{
	const u64 nr = 64, size = nr * PAGE_SIZE;
	struct puncher puncher;
	struct timespec start;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd, nr_vms = 0;

	fd = vm_create_restrictedmem(size);
	start_puncher(&puncher, fd, size);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!seconds_passed(&start, STORM_SECONDS)) {
		int ready[2], status;
		pid_t pid;
		char c;

		TEST_ASSERT(!pipe(ready), __KVM_SYSCALL_ERROR("pipe()", -1));
		pid = fork();
		TEST_ASSERT(pid >= 0, __KVM_SYSCALL_ERROR("fork()", pid));
		if (!pid) {
			vm = create_vm(type, size, &vcpu);
			add_slots(vm, 8, size, fd);
			TEST_ASSERT_EQ(write(ready[1], "", 1), 1);
			for (;;)
				run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
		}
		kvm_close(ready[1]);
		TEST_ASSERT_EQ(read(ready[0], &c, 1), 1);
		kvm_close(ready[0]);
		usleep(nr_vms % 8 * 1000);
		kill(pid, SIGKILL);
		TEST_ASSERT_EQ(waitpid(pid, &status, 0), pid);
		TEST_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
			    "Unexpected end of a VM, status 0x%x", status);
		nr_vms++;
	}
	stop_puncher(&puncher);
	pr_info("%s: %d VMs, %lu holes\n", __func__, nr_vms, puncher.holes);

	/* Whatever is left of those VMs lets go of the memory. */
	vm = create_vm(type, size, &vcpu);
	clock_gettime(CLOCK_MONOTONIC, &start);
	while (__add_slot(vm, MEM_SLOT, MEM_GPA, size, fd, 0)) {
		TEST_ASSERT_EQ(errno, EBUSY);
		TEST_ASSERT(!seconds_passed(&start, 10), "Memory is still bound");
		usleep(10000);
	}
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
	kvm_vm_free(vm);
	kvm_close(fd);
}

static void nop_handler(int sig)
{
}

struct slow_punch {
	int fd;
	u64 offset;
	pthread_t thread;
};

static void *slow_punch_thread(void *arg)
{
	struct slow_punch *p = arg;

	punch(p->fd, p->offset, PAGE_SIZE);
	return NULL;
}

static u64 nr_prepares(int dev)
{
	struct rmtest_counters counters;

	kvm_ioctl(dev, RMTEST_COUNTERS, &counters);
	return counters.prepares;
}

/*
 * While another consumer of the file takes its time over an invalidation, signals
 * reach whoever waits for it.  The vCPU and the VM can try again afterwards.
 */
static void test_eintr(unsigned long type)
{
	const u64 size = 4 * PAGE_SIZE;
	struct rmtest_bind bind = { .start = 3, .end = 4, .mode = RMTEST_EXCLUSIVE };
	struct rmtest_behaviour slow = { .prepare_delay_ms = 60000 };
	struct slow_punch slow_punch;
	const struct itimerspec timeout = {
		.it_value.tv_nsec = 200 * 1000 * 1000,
		.it_interval.tv_nsec = 200 * 1000 * 1000,
	};
	const struct itimerspec off = {};
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct sigaction action = { .sa_handler = nop_handler };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	sigset_t blocked;
	timer_t timer;
	int fd, dev;

	dev = open(RMTEST_DEVICE, O_RDWR);
	if (dev < 0) {
		pr_info("No %s, skipping %s\n", RMTEST_DEVICE, __func__);
		return;
	}

	fd = vm_create_restrictedmem(size);
	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, 2 * PAGE_SIZE, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 1000);

	bind.fd = fd;
	kvm_ioctl(dev, RMTEST_BIND, &bind);

	/* Exclusive means exclusive, whoever asks. */
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + 2 * PAGE_SIZE,
				2 * PAGE_SIZE, fd, 2 * PAGE_SIZE), EBUSY);

	kvm_ioctl(dev, RMTEST_SET_BEHAVIOUR, &slow);
	slow_punch = (struct slow_punch) { .fd = fd, .offset = 3 * PAGE_SIZE };

	/* The thread that punches isn't to be interrupted. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	kvm_pthread_create(&slow_punch.thread, NULL, slow_punch_thread, &slow_punch);
	pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
	while (!nr_prepares(dev))
		usleep(1000);

	TEST_ASSERT(!sigaction(SIGALRM, &action, NULL), "sigaction() failed");
	TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create() failed");
	TEST_ASSERT(!timer_settime(timer, 0, &timeout, NULL), "timer_settime() failed");

	/* What is there already does not wait, its neighbour does. */
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 1, 1000);
	set_guest_cmd(vcpu, GUEST_WRITE, MEM_GPA, 2, 1000);
	do {
		assert_fails(__vcpu_run(vcpu), EINTR);
	} while (vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT);

	/* So does who wants to bind. */
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + 2 * PAGE_SIZE,
				PAGE_SIZE, fd, 2 * PAGE_SIZE), EINTR);

	TEST_ASSERT(!timer_settime(timer, 0, &off, NULL), "timer_settime() failed");
	timer_delete(timer);
	kvm_ioctl(dev, RMTEST_CONTINUE, NULL);
	kvm_pthread_join(slow_punch.thread, NULL);

	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	add_slot(vm, MEM_SLOT + 1, MEM_GPA + 2 * PAGE_SIZE, PAGE_SIZE, fd,
		 2 * PAGE_SIZE);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 2, 1000);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 3, 2000);

	kvm_close(dev);
	kvm_vm_free(vm);
	kvm_close(fd);
}

/* VMs whose firmware owns their memory can't have restricted memory. */
static void test_unsupported(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	int fd = vm_create_restrictedmem(PAGE_SIZE);

	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_RESTRICTEDMEM), 0);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, PAGE_SIZE, fd, 0), EOPNOTSUPP);

	kvm_vm_free(vm);
	kvm_close(fd);
}

#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static char shmem_enabled[128];

static bool write_shmem_enabled(const char *policy)
{
	int fd = open(SHMEM_ENABLED, O_WRONLY);
	bool done = fd >= 0 && write(fd, policy, strlen(policy)) == strlen(policy);

	if (fd >= 0)
		close(fd);
	return done;
}

static void restore_shmem_enabled(void)
{
	write_shmem_enabled(shmem_enabled);
}

/* Ask for large folios, until the test ends, however it ends. */
static bool enable_large_folios(void)
{
	char buf[128] = "", *start;
	int fd;

	fd = open(SHMEM_ENABLED, O_RDONLY);
	if (fd < 0)
		return false;

	/* "always within_size advise [never] deny force" */
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = 0;
	close(fd);

	start = strchr(buf, '[');
	if (!start)
		return false;
	start++;
	start[strcspn(start, "]")] = 0;
	snprintf(shmem_enabled, sizeof(shmem_enabled), "%s", start);
	atexit(restore_shmem_enabled);

	large_folios = write_shmem_enabled("always");
	return large_folios;
}

static void test_type(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	bool supported = vm_check_cap(vm, KVM_CAP_RESTRICTEDMEM);

	kvm_vm_free(vm);

	if (type != KVM_X86_DEFAULT_VM && type != KVM_X86_SW_PROTECTED_VM) {
		test_unsupported(type);
		return;
	}
	TEST_ASSERT(supported, "VM type %lu should support restricted memory", type);

	test_rebind(type);
	test_close(type);
	test_errors(type);
	test_punch(type);
	test_flush(type);
	test_pre_fault(type);
	/* It needs one page to be present and its neighbour not to. */
	if (!large_folios)
		test_eintr(type);
	test_storm(type);
	test_kill_storm(type);
	if (large_folios) {
		test_large(type);
		test_large_race(type);
	}
}

int main(int argc, char *argv[])
{
	unsigned long types, type;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_RESTRICTEDMEM));

	types = kvm_check_cap(KVM_CAP_VM_TYPES);
	for_each_set_bit(type, &types, BITS_PER_TYPE(types))
		test_type(type);

	/* All of it again, this time with large folios wherever possible. */
	if (!enable_large_folios()) {
		pr_info("Can't ask for large folios\n");
		return 0;
	}
	for_each_set_bit(type, &types, BITS_PER_TYPE(types))
		test_type(type);
}
