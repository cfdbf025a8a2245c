// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots that are backed by restricted memory, i.e. by memfd_restricted().
 *
 * What restricted memory has in common with guest_memfd is tested by the tests
 * of guest_memfd, run on restricted memory.  This is about what it doesn't: it
 * belongs to no VM, outlives VMs and file descriptors, and comes in large folios.
 */
#include "restrictedmem_util.h"

/* Memory moves between memslots and VMs, and keeps its contents. */
static void test_rebind(unsigned long type)
{
	const u64 nr = 16, size = nr * PAGE_SIZE, half = size / 2;
	struct kvm_vcpu *vcpu, *other_vcpu;
	struct kvm_vm *vm, *other;
	int fd;

	fd = new_memory(size);
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

	fd = new_memory(size);
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

	fd = new_memory(size);
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
	fd = new_memory(size + 4 * PAGE_SIZE);
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
#ifdef __aarch64__
/* Not where it is done while memory is unmapped, and isn't counted. */
static const u64 flushes_per_hole;
#else
static const u64 flushes_per_hole = 1;
#endif

static void test_flush(unsigned long type)
{
	const u64 nr_slots = 100, slot_size = 4 * PAGE_SIZE;
	const u64 size = nr_slots * slot_size, nr = size / PAGE_SIZE;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	u64 i, before, flushes;
	int fd;

	fd = new_memory(size);
	vm = create_vm(type, size, &vcpu);

	/* In reverse order, lest neighbours in the file are neighbours here. */
	for (i = 0; i < nr_slots; i++)
		add_slot(vm, MEM_SLOT + i, MEM_GPA + i * slot_size, slot_size,
			 fd, size - (i + 1) * slot_size);

	/* If something interrupts it, KVM flushes once more where it lets go of its lock. */
	i = 0;
	do {
		run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
		before = vm_get_stat(vm, remote_tlb_flush_requests);
		punch(fd, PAGE_SIZE, size - 2 * PAGE_SIZE);
		flushes = vm_get_stat(vm, remote_tlb_flush_requests) - before;
	} while (flushes > flushes_per_hole && ++i < 20);
	TEST_ASSERT_EQ(flushes, flushes_per_hole);

	/* And none if nothing was mapped. */
	before = vm_get_stat(vm, remote_tlb_flush_requests);
	punch(fd, PAGE_SIZE, size - 2 * PAGE_SIZE);
	TEST_ASSERT_EQ(vm_get_stat(vm, remote_tlb_flush_requests) - before, 0);

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

	fd = new_memory(size);
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

/* How many large pages are mapped of what begins at MEM_GPA. */
#ifdef __aarch64__
#define STAGE2_TABLES "/sys/kernel/debug/kvm/%d-%d/stage2_page_tables"

static u64 nr_large_pages(struct kvm_vm *vm)
{
	u64 start, end, nr = 0;
	char line[256];
	FILE *tables;

	snprintf(line, sizeof(line), STAGE2_TABLES, getpid(), vm->fd);
	tables = fopen(line, "r");
	__TEST_REQUIRE(tables, "Need CONFIG_PTDUMP_STAGE2_DEBUGFS");
	while (fgets(line, sizeof(line), tables)) {
		if (sscanf(line, "0x%lx-0x%lx", &start, &end) == 2 && start >= MEM_GPA &&
		    strstr(line, " BLK"))
			nr += (end - start) / SZ_2M;
	}
	fclose(tables);
	return nr;
}
#else
static u64 nr_large_pages(struct kvm_vm *vm)
{
	return vm_get_stat(vm, pages_2m);
}
#endif

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

		fd = new_memory(size);
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

		nr = nr_large_pages(vm);
		TEST_ASSERT(nr == large, "%s: expected %d large page(s), got %lu",
			    cases[i].name, large, nr);

		/* Of all the pages, a hole takes only the one that is meant. */
		run_guest(vcpu, GUEST_WRITE, block, 512, 1000);
		punch(fd, ALIGN(cases[i].offset, SZ_2M) + 5 * PAGE_SIZE, PAGE_SIZE);
		TEST_ASSERT_EQ(nr_large_pages(vm), 0);
		run_guest(vcpu, GUEST_CHECK, block, 5, 1000);
		run_guest(vcpu, GUEST_CHECK_ZERO, block + 5 * PAGE_SIZE, 1, 0);
		run_guest(vcpu, GUEST_CHECK, block + 6 * PAGE_SIZE, 506, 1006);
		TEST_ASSERT_EQ(nr_large_pages(vm), 0);

		/* Small pages may become a large one again, under the guest. */
		collapse(fd, ALIGN(cases[i].offset, SZ_2M), SZ_2M);
		run_guest(vcpu, GUEST_CHECK, block, 5, 1000);
		TEST_ASSERT_EQ(nr_large_pages(vm), large);
		run_guest(vcpu, GUEST_CHECK_ZERO, block + 5 * PAGE_SIZE, 1, 0);
		run_guest(vcpu, GUEST_CHECK, block + 6 * PAGE_SIZE, 506, 1006);
next:
		kvm_vm_free(vm);
		kvm_close(fd);
	}
}

/*
 * VMs whose firmware owns their memory can't have restricted memory, nor can any
 * without two-dimensional paging.
 */
static void test_unsupported(unsigned long type)
{
	struct kvm_vm *vm = vm_create_barebones_type(type);
	int fd = new_memory(PAGE_SIZE);

	TEST_ASSERT_EQ(vm_check_cap(vm, KVM_CAP_RESTRICTEDMEM), 0);
	assert_fails(__add_slot(vm, MEM_SLOT, MEM_GPA, PAGE_SIZE, fd, 0), EOPNOTSUPP);

	kvm_vm_free(vm);
	kvm_close(fd);
}

static void test_type(unsigned long type)
{
	struct kvm_vm *vm;

	if (!type_is_supported(type)) {
		test_unsupported(type);
		return;
	}

	vm = vm_create_barebones_type(type);
	TEST_ASSERT(vm_check_cap(vm, KVM_CAP_RESTRICTEDMEM),
		    "VM type %lu should support restricted memory", type);
	kvm_vm_free(vm);

	test_rebind(type);
	test_close(type);
	test_errors(type);
	test_punch(type);
	test_flush(type);
	test_pre_fault(type);
	if (large_folios)
		test_large(type);
}

/* -u: KVM was told to do without two-dimensional paging. */
int main(int argc, char *argv[])
{
	bool unsupported = getopt(argc, argv, "u") == 'u';

	TEST_REQUIRE(unsupported || kvm_has_cap(KVM_CAP_RESTRICTEDMEM));
	test_each_type(unsupported ? test_unsupported : test_type);
}
