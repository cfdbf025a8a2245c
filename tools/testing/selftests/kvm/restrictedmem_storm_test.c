// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots whose restricted memory is taken away by somebody else, at any time:
 * while it is mapped, while the VM dies, and by somebody who takes very long.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "restrictedmem_util.h"

#include "../../../../mm/restrictedmem/test_consumer_uapi.h"

/* How long each test of a race goes on. */
static int storm_seconds = 3;

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

	fd = new_memory(SZ_2M);
	vm = create_vm(type, SZ_2M, &vcpu);

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; !seconds_passed(&start, storm_seconds); i++) {
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

/* Punches a hole as soon as there is memory. */
static void *early_punch_thread(void *arg)
{
	int *fd = arg;

	while (!allocated(*fd))
		usleep(50);
	punch(*fd, 0, SZ_2M);
	return NULL;
}

/*
 * A vCPU that has its memory and is about to map it just when that is punched must not.
 * Who punches comes first on the CPU of both, waits until the memory is cleared, and
 * goes on before the vCPU does.
 */
static void test_late_map(unsigned long type)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	pthread_t thread;
	cpu_set_t cpus;
	int fd, i;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	pin_self_to_any_cpu();
	fd = new_memory(SZ_2M);
	vm = create_vm(type, SZ_2M, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, SZ_2M, fd, 0);

	for (i = 0; i < 8; i++) {
		kvm_pthread_create(&thread, NULL, early_punch_thread, &fd);
		TEST_ASSERT(!pthread_setschedparam(thread, SCHED_FIFO, &first),
			    "Only root can put a thread first");
		run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 1000);
		kvm_pthread_join(thread, NULL);

		run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 2000);
		TEST_ASSERT(allocated(fd), "The guest has memory that the file has not");
		punch(fd, 0, SZ_2M);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);

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

	fd = new_memory(size);
	start_puncher(&puncher, fd, size);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!seconds_passed(&start, storm_seconds)) {
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

	fd = new_memory(size);
	start_puncher(&puncher, fd, size);

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (!seconds_passed(&start, storm_seconds)) {
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

/* Signals that interrupt, again and again, whoever waits. */
static timer_t start_signals(void)
{
	const struct itimerspec timeout = {
		.it_value.tv_nsec = 200 * 1000 * 1000,
		.it_interval.tv_nsec = 200 * 1000 * 1000,
	};
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct sigaction action = { .sa_handler = nop_handler };
	timer_t timer;

	TEST_ASSERT(!sigaction(SIGALRM, &action, NULL), "sigaction() failed");
	TEST_ASSERT(!timer_create(CLOCK_MONOTONIC, &event, &timer), "timer_create() failed");
	TEST_ASSERT(!timer_settime(timer, 0, &timeout, NULL), "timer_settime() failed");
	return timer;
}

static void stop_signals(timer_t timer)
{
	const struct itimerspec off = {};

	TEST_ASSERT(!timer_settime(timer, 0, &off, NULL), "timer_settime() failed");
	timer_delete(timer);
}

/* Somebody who punches a hole, which takes its time. */
struct slow_punch {
	int fd;
	u64 offset;
	u64 size;
	pthread_t thread;
};

static void *slow_punch_thread(void *arg)
{
	struct slow_punch *p = arg;

	punch(p->fd, p->offset, p->size);
	return NULL;
}

/* The thread that punches isn't to be interrupted. */
static void start_slow_punch(struct slow_punch *p, int fd, u64 offset, u64 size)
{
	sigset_t blocked;

	*p = (struct slow_punch) { .fd = fd, .offset = offset, .size = size };
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &blocked, NULL);
	kvm_pthread_create(&p->thread, NULL, slow_punch_thread, p);
	pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
}

static struct rmtest_counters get_counters(int dev)
{
	struct rmtest_counters counters;

	kvm_ioctl(dev, RMTEST_COUNTERS, &counters);
	return counters;
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
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	timer_t timer;
	int fd, dev;

	dev = open(RMTEST_DEVICE, O_RDWR);
	if (dev < 0) {
		pr_info("No %s, skipping %s\n", RMTEST_DEVICE, __func__);
		return;
	}

	fd = new_memory(size);
	vm = create_vm(type, size, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, 2 * PAGE_SIZE, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, 1, 1000);

	bind.fd = fd;
	kvm_ioctl(dev, RMTEST_BIND, &bind);

	/* Exclusive means exclusive, whoever asks. */
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + 2 * PAGE_SIZE,
				2 * PAGE_SIZE, fd, 2 * PAGE_SIZE), EBUSY);

	kvm_ioctl(dev, RMTEST_SET_BEHAVIOUR, &slow);
	start_slow_punch(&slow_punch, fd, 3 * PAGE_SIZE, PAGE_SIZE);
	while (!get_counters(dev).prepares)
		usleep(1000);
	timer = start_signals();

	/* What is there already does not wait, its neighbour does. */
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 1, 1000);
	set_guest_cmd(vcpu, GUEST_WRITE, MEM_GPA, 2, 1000);
	do {
		assert_fails(__vcpu_run(vcpu), EINTR);
	} while (vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT);

	/* So does who wants to bind. */
	assert_fails(__add_slot(vm, MEM_SLOT + 1, MEM_GPA + 2 * PAGE_SIZE,
				PAGE_SIZE, fd, 2 * PAGE_SIZE), EINTR);

	stop_signals(timer);
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

/*
 * A hole in the memory of a VM and of another consumer.  If that one refuses, the VM has
 * all it had.  While it makes up its mind, the VM has its memory, too, and loses it
 * before the other one has to let go.
 */
static void test_common_hole(unsigned long type)
{
	const u64 nr = 4, size = 2 * nr * PAGE_SIZE, offset = 2 * PAGE_SIZE;
	const u64 hole = nr * PAGE_SIZE;
	struct rmtest_bind bind = { .start = nr, .end = 2 * nr, .mode = RMTEST_EXCLUSIVE };
	struct rmtest_behaviour refuses = { .prepare_errno = EXDEV };
	struct rmtest_behaviour slow_to_agree = { .prepare_delay_ms = 60000 };
	struct rmtest_behaviour slow_to_let_go = { .start_delay_ms = 60000 };
	struct slow_punch slow_punch;
	struct rmtest_get get = {};
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	timer_t timer;
	int fd, dev, i;

	dev = open(RMTEST_DEVICE, O_RDWR);
	if (dev < 0) {
		pr_info("No %s, skipping %s\n", RMTEST_DEVICE, __func__);
		return;
	}

	/* The VM comes first, and thus is told first. */
	fd = new_memory(size);
	vm = create_vm(type, nr * PAGE_SIZE, &vcpu);
	add_slot(vm, MEM_SLOT, MEM_GPA, nr * PAGE_SIZE, fd, 0);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 1000);
	bind.fd = fd;
	kvm_ioctl(dev, RMTEST_BIND, &bind);
	get.id = bind.id;
	for (get.index = nr; get.index < 2 * nr; get.index++)
		kvm_ioctl(dev, RMTEST_GET, &get);

	kvm_ioctl(dev, RMTEST_SET_BEHAVIOUR, &refuses);
	assert_fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, hole),
		     EXDEV);
	TEST_ASSERT_EQ(allocated(fd), size);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr, 1000);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 2000);

	kvm_ioctl(dev, RMTEST_SET_BEHAVIOUR, &slow_to_agree);
	start_slow_punch(&slow_punch, fd, offset, hole);
	while (get_counters(dev).prepares < 2)
		usleep(1000);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, nr, 2000);
	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 3000);
	kvm_ioctl(dev, RMTEST_CONTINUE, NULL);
	kvm_pthread_join(slow_punch.thread, NULL);
	TEST_ASSERT_EQ(allocated(fd), size - hole);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 2, 3000);
	run_guest(vcpu, GUEST_CHECK_ZERO, MEM_GPA + offset, nr - 2, 0);

	run_guest(vcpu, GUEST_WRITE, MEM_GPA, nr, 4000);
	kvm_ioctl(dev, RMTEST_SET_BEHAVIOUR, &slow_to_let_go);
	start_slow_punch(&slow_punch, fd, offset, hole);
	while (get_counters(dev).starts < 2)
		usleep(1000);
	set_guest_cmd(vcpu, GUEST_CHECK_ZERO, MEM_GPA + offset, nr - 2, 0);
	timer = start_signals();
	for (i = 0; i < 3; i++)
		assert_fails(__vcpu_run(vcpu), EINTR);
	stop_signals(timer);
	kvm_ioctl(dev, RMTEST_CONTINUE, NULL);
	kvm_pthread_join(slow_punch.thread, NULL);
	vcpu_run(vcpu);
	assert_guest_done(vcpu);
	run_guest(vcpu, GUEST_CHECK, MEM_GPA, 2, 4000);

	kvm_close(dev);
	kvm_vm_free(vm);
	kvm_close(fd);
}

static void test_type(unsigned long type)
{
	if (!type_is_supported(type))
		return;

	/* It needs one page to be present and its neighbour not to. */
	if (!large_folios)
		test_eintr(type);
	test_common_hole(type);
	test_storm(type);
	test_kill_storm(type);
	if (large_folios) {
		test_large_race(type);
		test_late_map(type);
	}
}

int main(int argc, char *argv[])
{
	int opt;

	while ((opt = getopt(argc, argv, "hs:")) != -1) {
		switch (opt) {
		case 's':
			storm_seconds = atoi_positive("Number of seconds", optarg);
			break;
		case 'h':
		default:
			printf("usage: %s [-h] [-s seconds]\n\n", argv[0]);
			printf(" -s: how long each test of a race goes on (default: %d)\n",
			       storm_seconds);
			exit(opt == 'h' ? 0 : 1);
		}
	}

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_RESTRICTEDMEM));
	test_each_type(test_type);
}
