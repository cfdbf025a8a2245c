// SPDX-License-Identifier: GPL-2.0
/*
 * Machines of the Gunyah hypervisor that have restricted memory, as a program makes
 * them. Where there is no hypervisor it is the driver's model of it: memory is lent and
 * taken back as it would be, and virtual processors run the same program.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include <linux/kvm.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "load.h"
#include "test_consumer.h"
#include "text.h"

/* The example of the documentation, which has names of its own */
int example(void);
#define main example
#include "machine_example.c"
#undef main
#undef BASE
#undef SIZE
#undef DTB
#undef DTB_SIZE

#include "machine.h"

FIXTURE(machine) {
	int device, fd, vm;
};

FIXTURE_SETUP(machine)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (self->device < 0 && errno == ENOENT)
		SKIP(return, NO_DEVICE);
	ASSERT_LE(0, self->device);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->vm = ioctl(self->device, GH_CREATE_VM, 0);
	ASSERT_LE(0, self->vm);
}

FIXTURE_TEARDOWN(machine)
{
	close(self->vm);
	EXPECT_TRUE(nobody_has_it(self->fd));
	EXPECT_EQ(0, lost_of(self->fd));
	close(self->fd);
	close(self->device);
}

TEST_F(machine, refuses_what_makes_no_sense)
{
	long page = page_size();
	struct {
		const char *what;
		struct gh_vm_memory memory;
		int error;
	} memories[] = {
		{ "flags", { BASE, 0, page, self->fd, 1 }, EINVAL },
		{ "no size", { BASE, 0, 0, self->fd }, EINVAL },
		{ "half a page", { BASE, 0, page / 2, self->fd }, EINVAL },
		{ "from half a page", { BASE, page / 2, page, self->fd }, EINVAL },
		{ "to half of 2 MiB", { BASE + (1 << 20), 0, page, self->fd }, EINVAL },
		{ "the end of all", { BASE, -page, 2 * page, self->fd }, EINVAL },
		{ "the end of its memory", { -(2UL << 20), 0, 4UL << 20, self->fd }, EINVAL },
		{ "the end of the file", { BASE, 0, (PAGES + 1) * page, self->fd }, EINVAL },
		{ "beyond it", { BASE, PAGES * page, page, self->fd }, EINVAL },
		{ "no descriptor", { BASE, 0, page, -1 }, EBADF },
		{ "another file", { BASE, 0, page, self->device }, EINVAL },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(memories); i++)
		EXPECT_REFUSED(ioctl(self->vm, GH_VM_SET_MEMORY, &memories[i].memory),
			       memories[i].what, memories[i].error);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_SET_MEMORY, NULL), "no memory", EFAULT);
	EXPECT_REFUSED(ioctl(self->device, GH_CREATE_VM, 1), "an argument", EINVAL);
	EXPECT_REFUSED(ioctl(self->device, GH_VM_START, 0), "not a machine", ENOTTY);
	EXPECT_REFUSED(ioctl(self->vm, GH_CREATE_VM, 0), "not the device", ENOTTY);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_START, 1), "an argument", EINVAL);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_STOP, 1), "an argument", EINVAL);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_RESET, 1), "an argument", EINVAL);
	EXPECT_TRUE(nobody_has_it(self->fd));
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(machine, begins_in_its_memory)
{
	uint64_t size = HAS * page_size();
	struct {
		const char *what;
		uint64_t image, image_size, dtb, dtb_size, flags;
	} configs[] = {
		{ "flags", BASE, 1, BASE + 4096, TREE_SIZE, 1 },
		{ "nothing to run", BASE, 0, BASE + 4096, TREE_SIZE },
		{ "before it", BASE - 1, 1, BASE + 4096, TREE_SIZE },
		{ "too long", BASE, size + 1, BASE + 4096, TREE_SIZE },
		{ "round the end", BASE, UINT64_MAX, BASE + 4096, TREE_SIZE },
		{ "a tree before it", BASE, 1, 0, TREE_SIZE },
		{ "a tree after it", BASE, 1, BASE + size - TREE_SIZE + 1, TREE_SIZE },
		{ "a tree without room", BASE, 1, BASE + 4096, TREE_SIZE - 1 },
	};

	EXPECT_REFUSED(configure(self->vm), "no memory", ENXIO);
	ASSERT_EQ(0, load_machine(self->fd));
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	for (unsigned int i = 0; i < ARRAY_SIZE(configs); i++) {
		struct gh_vm_config where = {
			configs[i].image, configs[i].image_size,
			configs[i].dtb, configs[i].dtb_size, configs[i].flags,
		};

		EXPECT_REFUSED(ioctl(self->vm, GH_VM_CONFIGURE, &where), configs[i].what, EINVAL);
	}
	EXPECT_EQ(0, configure(self->vm));
}

TEST_F(machine, goes_one_step_after_the_other)
{
	int vcpu;

	EXPECT_REFUSED(ioctl(self->vm, GH_VM_START, 0), "not configured", EBUSY);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_CREATE_VCPU, 0), "not configured", EBUSY);
	ASSERT_EQ(0, load_machine(self->fd));
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	EXPECT_REFUSED(set_memory(self->vm, self->fd), "it has memory", EEXIST);
	ASSERT_EQ(0, configure(self->vm));
	EXPECT_REFUSED(configure(self->vm), "configured", EBUSY);
	EXPECT_REFUSED(set_memory(self->vm, self->fd), "configured", EBUSY);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_STOP, 0), "not started", EBUSY);

	vcpu = ioctl(self->vm, GH_VM_CREATE_VCPU, 0);
	ASSERT_LE(0, vcpu);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_CREATE_VCPU, 0), "somebody has it", EEXIST);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_CREATE_VCPU, 2), "there are two", ENOENT);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_CREATE_VCPU, 1UL << 32), "not 0", ENOENT);
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_START, 0));
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_START, 0), "started", EBUSY);
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_RESET, 0), "it runs", EBUSY);
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_STOP, 0));
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_RESET, 0));
	EXPECT_REFUSED(ioctl(self->vm, GH_VM_START, 0), "over", EBUSY);
	EXPECT_REFUSED(configure(self->vm), "over", EBUSY);
	close(vcpu);
}

/* A hole: before the machine is configured, from then on, and after its reset. */
TEST_F(machine, has_its_memory_until_its_reset)
{
	EXPECT_EQ(0, pages_of(self->fd));
	ASSERT_EQ(0, load_machine(self->fd));
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	EXPECT_TRUE(machine_has_it(self->fd));
	EXPECT_EQ(HAS, pages_of(self->fd));

	EXPECT_EQ(0, punch(self->fd, 4, 8));
	EXPECT_EQ(HAS - 4, pages_of(self->fd));
	ASSERT_EQ(0, configure(self->vm));
	EXPECT_EQ(HAS, pages_of(self->fd));

	EXPECT_REFUSED(punch(self->fd, 4, 8), "configured", EBUSY);
	EXPECT_REFUSED(punch(self->fd, 0, PAGES), "configured", EBUSY);
	EXPECT_EQ(0, punch(self->fd, HAS, PAGES));
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_START, 0));
	EXPECT_REFUSED(punch(self->fd, 4, 8), "running", EBUSY);
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_STOP, 0));
	EXPECT_REFUSED(punch(self->fd, 4, 8), "stopped", EBUSY);
	EXPECT_EQ(HAS, pages_of(self->fd));

	ASSERT_EQ(0, ioctl(self->vm, GH_VM_RESET, 0));
	EXPECT_EQ(0, punch(self->fd, 4, 8));
	EXPECT_EQ(HAS - 4, pages_of(self->fd));
	EXPECT_TRUE(machine_has_it(self->fd));
}

TEST_F(machine, shares_its_memory_with_nobody)
{
	int second = ioctl(self->device, GH_CREATE_VM, 0), consumer = new_consumer();

	ASSERT_LE(0, second);
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	EXPECT_REFUSED(set_memory(second, self->fd), "a second machine", EBUSY);
	if (consumer >= 0) {
		EXPECT_REFUSED(rm_bind(consumer, self->fd, HAS - 1, PAGES, RMTEST_SHARED),
			       "another consumer", EBUSY);
		EXPECT_LT(0, rm_bind(consumer, self->fd, HAS, PAGES, RMTEST_SHARED));
		close(consumer);
	}
	EXPECT_TRUE(machine_has_it(self->fd));

	/* The next one gets it. */
	close(self->vm);
	self->vm = -1;
	EXPECT_EQ(0, set_memory(second, self->fd));
	close(second);
}

TEST_F(machine, shares_its_memory_with_no_other_hypervisor)
{
	struct kvm_userspace_memory_region2 region = {
		.flags = KVM_MEM_GUEST_MEMFD,
		.memory_size = PAGES * page_size(),
		.guest_memfd = self->fd,
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int other = ioctl(kvm, KVM_CREATE_VM, 0);

	if (other < 0 || ioctl(other, KVM_CHECK_EXTENSION, KVM_CAP_RESTRICTEDMEM) <= 0)
		SKIP(return, "no KVM that takes restricted memory");
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	EXPECT_REFUSED(ioctl(other, KVM_SET_USER_MEMORY_REGION2, &region), "a machine has it",
		       EBUSY);
	close(self->vm);
	EXPECT_EQ(0, ioctl(other, KVM_SET_USER_MEMORY_REGION2, &region));
	self->vm = ioctl(self->device, GH_CREATE_VM, 0);
	EXPECT_REFUSED(set_memory(self->vm, self->fd), "KVM has it", EBUSY);
	close(other);
	EXPECT_EQ(0, set_memory(self->vm, self->fd));
	close(kvm);
}

/* What a machine does not change is what was loaded, and is there when it is gone. */
TEST_F(machine, leaves_its_memory_as_it_was)
{
	char bytes[HAS * page_size()];
	int consumer = new_consumer(), id, from = (TREE + TREE_SIZE) / page_size();
	long loaded;

	if (consumer < 0)
		SKIP(return, NO_TEST_CONSUMER);
	memset(bytes, 0x5a, sizeof(bytes));
	ASSERT_EQ(0, load_machine(self->fd));
	ASSERT_EQ(0, load_pages(self->fd, from, HAS, bytes, &loaded));
	ASSERT_EQ(0, set_memory(self->vm, self->fd));
	EXPECT_REFUSED(load_pages(self->fd, 0, HAS, bytes, &loaded), "lent", EBUSY);
	ASSERT_EQ(0, configure(self->vm));
	ASSERT_EQ(0, ioctl(self->vm, GH_VM_START, 0));
	close(self->vm);
	self->vm = -1;

	id = rm_bind(consumer, self->fd, 0, HAS, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	for (int page = from; page < HAS; page++)
		EXPECT_EQ(0x5a, rm_look(consumer, id, page));
	close(consumer);
}

FIXTURE(processor) {
	int device, fd, vm, vcpu;
	struct gh_vcpu_run run;
};

FIXTURE_SETUP(processor)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->device = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (self->device < 0 && errno == ENOENT)
		SKIP(return, NO_DEVICE);
	ASSERT_LE(0, self->device);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->vm = new_configured(self->device, self->fd);
	ASSERT_LE(0, self->vm);
	self->vcpu = new_running(self->vm);
	ASSERT_LE(0, self->vcpu);
	memset(&self->run, 0, sizeof(self->run));
	ASSERT_EQ(0, run(self->vcpu, &self->run, 0));
	ASSERT_TRUE(reads(&self->run));
}

FIXTURE_TEARDOWN(processor)
{
	close(self->vcpu);
	close(self->vm);
	EXPECT_TRUE(nobody_has_it(self->fd));
	EXPECT_EQ(0, lost_of(self->fd));
	close(self->fd);
	close(self->device);
}

TEST_F(processor, reads_and_writes_devices)
{
	ASSERT_EQ(0, run(self->vcpu, &self->run, 100));
	EXPECT_TRUE(writes(&self->run, 101));
	ASSERT_EQ(0, run(self->vcpu, &self->run, 200));
	EXPECT_TRUE(reads(&self->run));
	ASSERT_EQ(0, run(self->vcpu, &self->run, 0x100000000 + 300));
	EXPECT_TRUE(writes(&self->run, 301));
}

TEST_F(processor, sleeps_and_is_woken)
{
	ASSERT_EQ(0, run(self->vcpu, &self->run, SLEEP));
	EXPECT_TRUE(reads(&self->run));
}

TEST_F(processor, turns_its_machine_off)
{
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, run(self->vcpu, &self->run, OFF));
		EXPECT_EQ(GH_VCPU_EXIT_STATUS, self->run.exit_reason);
		EXPECT_EQ(GH_VM_STATUS_OFF, self->run.status);
	}
	EXPECT_REFUSED(punch(self->fd, 0, 1), "not reset", EBUSY);
	EXPECT_EQ(0, ioctl(self->vm, GH_VM_STOP, 0))
		TH_LOG("it has stopped");
}

static void on_signal(int signal)
{
}

TEST_F(processor, runs_into_a_fault)
{
	struct sigaction action = { .sa_handler = on_signal };

	/* Builds that do not log do not look for a fault in a fault. */
	sigaction(SIGALRM, &action, NULL);
	alarm(is_real() ? 5 : 0);
	if (run(self->vcpu, &self->run, FAULT) && errno == EINTR)
		SKIP(return, "this build of the hypervisor lets it run for ever");
	alarm(0);
	EXPECT_EQ(GH_VCPU_EXIT_FAULT, self->run.exit_reason);
	/* The resource manager hears of it too, but maybe after us. */
	while (self->run.exit_reason == GH_VCPU_EXIT_FAULT)
		ASSERT_EQ(0, run(self->vcpu, &self->run, 0));
	EXPECT_EQ(GH_VCPU_EXIT_STATUS, self->run.exit_reason);
	EXPECT_EQ(GH_VM_STATUS_SOFTWARE_ERROR, self->run.status);
	EXPECT_EQ(0, ioctl(self->vm, GH_VM_STOP, 0))
		TH_LOG("it has stopped");
}

TEST_F(processor, keeps_its_machine)
{
	close(self->vm);
	self->vm = -1;
	EXPECT_TRUE(machine_has_it(self->fd));
	ASSERT_EQ(0, run(self->vcpu, &self->run, 100));
	EXPECT_TRUE(writes(&self->run, 101));
	EXPECT_REFUSED(punch(self->fd, 0, 1), "its machine runs", EBUSY);
}

TEST_F(processor, refuses_what_makes_no_sense)
{
	struct gh_vcpu_run bad = { .reserved = 1 }, worse = { .reserved2 = 1 };

	EXPECT_REFUSED(ioctl(self->vcpu, GH_VCPU_RUN, &bad), "reserved", EINVAL);
	EXPECT_REFUSED(ioctl(self->vcpu, GH_VCPU_RUN, &worse), "reserved", EINVAL);
	EXPECT_REFUSED(ioctl(self->vcpu, GH_VCPU_RUN, NULL), "nothing", EFAULT);
	EXPECT_REFUSED(ioctl(self->vcpu, GH_VM_START, 0), "not a machine", ENOTTY);
	ASSERT_EQ(0, run(self->vcpu, &self->run, 100));
	EXPECT_TRUE(writes(&self->run, 101));
}

static struct gh_vcpu_run *running;

static void on_signal_exit(int signal)
{
	running->immediate_exit = 1;
}

/* A signal ends a call, and nothing is lost: what was to be read still is. */
TEST_F(processor, is_interrupted_by_signals)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
	ualarm(100000, 0);
	EXPECT_REFUSED(run(self->vcpu, &self->run, SPIN), "a signal", EINTR);
	EXPECT_TRUE(reads(&self->run))
		TH_LOG("a call that fails changes nothing");
}

TEST_F(processor, is_interrupted_while_it_sleeps)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGALRM, &action, NULL);
	ualarm(100000, 0);
	EXPECT_REFUSED(run(self->vcpu, &self->run, SLEEP_ON), "a signal", EINTR);
}

TEST_F(processor, does_not_begin_after_a_signal)
{
	struct sigaction action = { .sa_handler = on_signal_exit };

	running = &self->run;
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	EXPECT_REFUSED(run(self->vcpu, &self->run, 100), "a signal before", EINTR);
	self->run.immediate_exit = 0;
	ASSERT_EQ(0, run(self->vcpu, &self->run, 100));
	EXPECT_TRUE(writes(&self->run, 101));
}

/* Runs what the first processor turns on. */
static void *run_second(void *arg)
{
	static struct gh_vcpu_run second;
	int *vcpu = arg;

	return run(*vcpu, &second, 0) ? NULL : &second;
}

TEST_F(processor, turns_another_one_on)
{
	int second = ioctl(self->vm, GH_VM_CREATE_VCPU, 1);
	struct gh_vcpu_run *result;
	pthread_t thread;

	ASSERT_LE(0, second);
	ASSERT_EQ(0, pthread_create(&thread, NULL, run_second, &second));
	ASSERT_EQ(0, run(self->vcpu, &self->run, ON));
	EXPECT_TRUE(reads(&self->run));
	ASSERT_EQ(0, pthread_join(thread, (void **)&result));
	ASSERT_NE(NULL, result);
	EXPECT_TRUE(reads(result));
	close(second);
}

/* The first machine of a process that was killed in the middle of something. */
static void be_killed_while(struct __test_metadata *_metadata, int fd, uint64_t command)
{
	int status, ready[2];
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(ready));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		struct gh_vcpu_run first = {};
		int device = open(DEVICE, O_RDWR);
		int vm = new_configured(device, fd);
		int vcpu = new_running(vm);

		if (run(vcpu, &first, 0) || write(ready[1], "x", 1) != 1)
			_exit(1);
		run(vcpu, &first, command);
		_exit(2);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	rm_sleep_ms(100);
	EXPECT_TRUE(machine_has_it(fd));
	EXPECT_REFUSED(punch(fd, 0, 1), "it runs", EBUSY);

	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(nobody_has_it(fd));
	EXPECT_EQ(0, lost_of(fd));
	EXPECT_EQ(HAS, pages_of(fd));
	EXPECT_EQ(0, punch(fd, 0, PAGES));
	EXPECT_EQ(0, pages_of(fd));
}

TEST_F(machine, gives_back_if_it_is_killed_running)
{
	be_killed_while(_metadata, self->fd, SPIN);
}

TEST_F(machine, gives_back_if_it_is_killed_asleep)
{
	be_killed_while(_metadata, self->fd, SLEEP_ON);
}

TEST_F(machine, is_made_as_documented)
{
	if (is_real())
		SKIP(return, "the example has no device tree, which a hypervisor wants to see");
	EXPECT_EQ(0, example());
}

/* Many of them, so that one that is not given back would be missed. */
TEST_F(machine, can_be_made_again_and_again)
{
	for (int i = 0; i < 100; i++) {
		int vm = new_configured(self->device, self->fd);
		int vcpu = vm < 0 ? -1 : i % 2 ? new_running(vm) : 0;

		ASSERT_LE(0, vcpu)
			TH_LOG("machine %d", i);
		if (vcpu)
			close(vcpu);
		close(vm);
		ASSERT_TRUE(nobody_has_it(self->fd));
	}
}

TEST_HARNESS_MAIN
