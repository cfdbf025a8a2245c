// SPDX-License-Identifier: GPL-2.0
/*
 * What only a hypervisor can show, and no model of it: that a machine has the memory
 * that it was given, and who can touch that meanwhile.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"
#include "text.h"
#include "machine.h"

#define NO_HYPERVISOR "there is no Gunyah below this kernel"

FIXTURE(hypervisor) {
	int device, fd, consumer;
};

FIXTURE_SETUP(hypervisor)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	if (!is_real())
		SKIP(return, NO_HYPERVISOR);
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->device);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
}

FIXTURE_TEARDOWN(hypervisor)
{
	EXPECT_TRUE(nobody_has_it(self->fd));
	EXPECT_EQ(0, lost_of(self->fd));
	close(self->consumer);
	close(self->fd);
	close(self->device);
}

/* The byte at an offset, while no machine has it, or -1. */
static int byte_at(int consumer, int fd, uint64_t offset)
{
	int id = rm_bind(consumer, fd, 0, HAS, RMTEST_EXCLUSIVE);
	unsigned char byte;
	int ret;

	if (id < 0)
		return -1;
	ret = rm_io(consumer, RMTEST_READ, id, 0, offset, &byte, 1);
	rm_unbind(consumer, id);
	return ret ? -1 : byte;
}

/* The program counts in its memory how often it read. */
TEST_F(hypervisor, runs_what_was_loaded_in_the_memory_of_the_file)
{
	int vm = new_configured(self->device, self->fd), vcpu = new_running(vm);
	struct gh_vcpu_run result = {};

	ASSERT_LE(0, vcpu);
	ASSERT_EQ(0, run(vcpu, &result, 0));
	for (int i = 0; i < 10; i++) {
		ASSERT_TRUE(reads(&result));
		ASSERT_EQ(0, run(vcpu, &result, 1000 + i));
		ASSERT_TRUE(writes(&result, 1001 + i));
		ASSERT_EQ(0, run(vcpu, &result, 0));
	}
	EXPECT_EQ(-1, byte_at(self->consumer, self->fd, MARK));
	EXPECT_EQ(EBUSY, errno);
	close(vcpu);
	close(vm);
	EXPECT_EQ(10, byte_at(self->consumer, self->fd, MARK));
}

/* What a process gets when it reads there: the byte, or -1 if that kills it. */
static int touch(const unsigned char *at)
{
	int status;
	pid_t child = fork();

	if (!child)
		_exit(__atomic_load_n(at, __ATOMIC_RELAXED));
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -2;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/*
 * Root can see all memory as it is, if the kernel is configured so. A process that
 * reads there what is lent gets a signal if the hypervisor has taken it away. If not,
 * the hypervisor is at fault and not the kernel, which never does it: so that is told,
 * and no failure. That it was possible before and is again is not up to the hypervisor.
 */
TEST_F(hypervisor, host_reads_what_is_lent)
{
	int memory = open("/dev/mem", O_RDONLY | O_CLOEXEC), vm, byte, id;
	uint64_t page = MARK / page_size();
	unsigned char *at;
	long pfn, loaded;
	char bytes[page_size()];

	if (memory < 0)
		SKIP(return, "cannot open /dev/mem");
	memset(bytes, 0x5a, sizeof(bytes));
	ASSERT_EQ(0, load_pages(self->fd, page, page + 1, bytes, &loaded));
	id = rm_bind(self->consumer, self->fd, 0, HAS, RMTEST_EXCLUSIVE);
	pfn = rm_get(self->consumer, id, page);
	ASSERT_LT(0, pfn);
	ASSERT_EQ(0, rm_unbind(self->consumer, id));
	at = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, memory, pfn * page_size());
	if (at == MAP_FAILED)
		SKIP(return, "/dev/mem has no memory, for CONFIG_STRICT_DEVMEM");

	ASSERT_EQ(0x5a, touch(at));
	vm = new_configured(self->device, self->fd);
	ASSERT_LE(0, vm);
	byte = touch(at);
	EXPECT_NE(-2, byte);
	TH_LOG("%s", byte < 0 ? "the host cannot reach what it has lent" :
	       "the host can still read what it has lent: this build of the hypervisor lets it");
	close(vm);
	EXPECT_EQ(0x5a, touch(at));
	munmap(at, page_size());
	close(memory);
}

TEST_HARNESS_MAIN
