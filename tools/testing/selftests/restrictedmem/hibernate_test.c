// SPDX-License-Identifier: GPL-2.0
/*
 * No image of the machine has restricted memory in it.
 *
 * To be run before everything that quarantines memory: after that the machine
 * does not hibernate again.
 */
#define _GNU_SOURCE
#include <linux/suspend_ioctls.h>
#include <sys/ioctl.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"

#define PAGES 16

/* Whether the machine could hibernate; -1 if the kernel does not say. */
static int may_hibernate(void)
{
	char modes[256] = {};
	int fd = open("/sys/power/disk", O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, modes, sizeof(modes) - 1) < 0)
		modes[0] = '\0';
	close(fd);
	return !strstr(modes, "[disabled]");
}

/* The same some time from now; what is closed goes later. */
static int may_hibernate_soon(void)
{
	for (int ms = 0; ms < 20000 && may_hibernate() != 1; ms += 10)
		rm_sleep_ms(10);
	return may_hibernate();
}

FIXTURE(hibernate) {
	int fd;
};

FIXTURE_SETUP(hibernate)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (may_hibernate() < 0)
		SKIP(return, "this kernel does not hibernate");
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(1, may_hibernate_soon())
		TH_LOG("a size is no memory, and nothing else may have any");
}

FIXTURE_TEARDOWN(hibernate)
{
	close(self->fd);
}

TEST_F(hibernate, not_with_memory_of_a_file)
{
	ASSERT_EQ(0, reserve(self->fd, 0, 1));
	EXPECT_EQ(0, may_hibernate());
	ASSERT_EQ(0, punch(self->fd, 0, 1));
	EXPECT_EQ(1, may_hibernate());
}

TEST_F(hibernate, nor_with_what_only_a_consumer_keeps)
{
	int consumer, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	id = rm_bind(consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	ASSERT_LT(0, rm_get(consumer, id, 3));
	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(0, may_hibernate())
		TH_LOG("without a descriptor");
	ASSERT_EQ(0, rm_unbind(consumer, id));
	EXPECT_EQ(1, may_hibernate_soon())
		TH_LOG("the file is gone");
}

/*
 * The device asks when it is opened, which is long before the image: root could
 * have had one made, and have read contents out of it.
 */
TEST_F(hibernate, nor_with_memory_of_after_the_question)
{
	int snapshot = open("/dev/snapshot", O_RDONLY), in_suspend = 0;

	if (snapshot < 0 && errno == ENOENT)
		SKIP(return, "no /dev/snapshot (CONFIG_HIBERNATION_SNAPSHOT_DEV)");
	ASSERT_LE(0, snapshot);
	ASSERT_EQ(0, reserve(self->fd, 0, 1));
	ASSERT_EQ(0, ioctl(snapshot, SNAPSHOT_FREEZE));
	EXPECT_EQ(-1, ioctl(snapshot, SNAPSHOT_CREATE_IMAGE, &in_suspend));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, ioctl(snapshot, SNAPSHOT_FREE));
	EXPECT_EQ(0, ioctl(snapshot, SNAPSHOT_UNFREEZE));
	close(snapshot);
}

/* The last one, see above. */
TEST_F(hibernate, nor_with_what_was_quarantined)
{
	int consumer, id;

	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	id = rm_bind(consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, id);
	EXPECT_EQ(0, rm_quarantine(consumer, id, 0, PAGES));
	EXPECT_EQ(1, may_hibernate())
		TH_LOG("nothing was there to be lost");
	ASSERT_LT(0, rm_get(consumer, id, 3));
	ASSERT_EQ(1, rm_quarantine(consumer, id, 0, PAGES));
	ASSERT_EQ(0, rm_unbind(consumer, id));
	close(self->fd);
	self->fd = -1;
	close(consumer);
	/* For long enough that the file is gone, which another one waits for above. */
	for (int ms = 0; ms < 1000 && !may_hibernate(); ms += 10)
		rm_sleep_ms(10);
	EXPECT_EQ(0, may_hibernate())
		TH_LOG("it keeps its contents, and belongs to no file");
}

TEST_HARNESS_MAIN
