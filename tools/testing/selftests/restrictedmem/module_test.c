// SPDX-License-Identifier: GPL-2.0
/*
 * The module of a consumer: it cannot go while it holds a binding, can go
 * afterwards, and stays for ever if it forgets one.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"

#define NAME "restrictedmem_test"
#define PAGES 16

static int load(void)
{
	int fd = open("/lib/modules/" NAME ".ko", O_RDONLY), ret;

	if (fd < 0)
		return system("modprobe " NAME) ? -1 : 0;
	ret = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return ret;
}

static int unload(void)
{
	return syscall(SYS_delete_module, NAME, O_NONBLOCK);
}

static long long references(void)
{
	return read_number("/sys/module/" NAME "/refcnt");
}

FIXTURE(module) {
	int fd;
};

FIXTURE_SETUP(module)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	if (references() < 0 && (load() || references() < 0))
		SKIP(return, NAME " is no module");
	if (references() > 0)
		SKIP(return, NAME " is in use");
}

FIXTURE_TEARDOWN(module)
{
	close(self->fd);
}

TEST_F(module, comes_and_goes)
{
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, unload())
			TH_LOG("unload: %s", strerror(errno));
		ASSERT_EQ(0, load())
			TH_LOG("load: %s", strerror(errno));
	}
}

TEST_F(module, stays_while_bound)
{
	long long open_only, bound;
	int consumer, id;

	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	open_only = references();
	id = rm_bind(consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	bound = references();
	EXPECT_EQ(open_only + 1, bound)
		TH_LOG("a binding holds the module, beside the open file");
	EXPECT_REFUSED(unload(), "bound", EWOULDBLOCK, EBUSY);
	EXPECT_NE(-1, rm_get(consumer, id, 0));
	EXPECT_EQ(0, rm_unbind(consumer, id));
	EXPECT_EQ(open_only, references());
	EXPECT_REFUSED(unload(), "open", EWOULDBLOCK, EBUSY);
	close(consumer);

	EXPECT_EQ(0, references());
	ASSERT_EQ(0, unload());
	EXPECT_EQ(1, pages_of(self->fd))
		TH_LOG("its memory is not its own");
	ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	ASSERT_EQ(0, load());
}

TEST_F(module, a_bind_that_fails_holds_nothing)
{
	int consumer;

	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	EXPECT_REFUSED(rm_bind(consumer, self->fd, 0, PAGES + 1, RMTEST_SHARED),
		       "outside", EINVAL);
	close(consumer);
	EXPECT_EQ(0, references());
}

/*
 * Whoever closes a consumer while a callback of it runs waits for that, even when
 * killed, and so the code of the callback stays for as long.
 */
TEST_F_TIMEOUT(module, stays_while_a_callback_runs, 120)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .end = PAGES };
	int consumer = new_consumer(), status, looks = 0;
	struct timespec before;
	pid_t child;

	ASSERT_LE(0, consumer);
	ASSERT_LT(0, rm_bind(consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE));
	BEHAVE(consumer, .start_delay_ms = 3000);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		for (;;)
			pause();
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(consumer, starts, 1));

	/* The child has it now, and dies. */
	close(consumer);
	ASSERT_EQ(0, kill(child, SIGKILL));
	for (; rm_ms_since(&before) < 2000; looks++) {
		EXPECT_EQ(0, waitpid(child, &status, WNOHANG));
		EXPECT_LT(0, references());
		EXPECT_REFUSED(unload(), "in a callback", EWOULDBLOCK, EBUSY);
		rm_sleep_ms(50);
	}
	EXPECT_LT(0, looks);
	EXPECT_EQ(0, rm_call_end(&hole));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, references());
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, load());
}

/* The last one: after it the module is there for good. */
TEST_F(module, forgotten_binding_is_harmless)
{
	int consumer, other, id;

	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	id = rm_bind(consumer, self->fd, 0, 8, RMTEST_SHARED);
	ASSERT_NE(-1, rm_get(consumer, id, 0));
	ASSERT_EQ(0, ioctl(consumer, RMTEST_LEAK, (long)id));
	close(consumer);
	EXPECT_LT(0, references());
	EXPECT_REFUSED(unload(), "bound for ever", EWOULDBLOCK, EBUSY);

	/* Its callbacks still run, and its range is still held. */
	EXPECT_ALLOWED(punch(self->fd, 0, 8), "it has nothing against it");
	other = new_consumer();
	ASSERT_LE(0, other);
	EXPECT_REFUSED(rm_bind(other, self->fd, 0, 8, RMTEST_EXCLUSIVE), "held", EBUSY);
	id = rm_bind(other, self->fd, 0, 8, RMTEST_SHARED);
	EXPECT_NE(-1, rm_get(other, id, 0));
	close(other);
}

TEST_HARNESS_MAIN
