// SPDX-License-Identifier: GPL-2.0
/*
 * The example of a consumer, mm/restrictedmem/restrictedmem_example.rs, maps
 * pages that its device touches and unmaps what goes away.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"

#define DEVICE "/dev/restrictedmem_example"
#define ATTACH _IO('r', 0)
#define FAULT _IO('r', 1)
#define MAPPED _IO('r', 2)
#define PAGES 16

FIXTURE(example) {
	int device, fd;
};

FIXTURE_SETUP(example)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->device = open(DEVICE, O_RDWR);
	if (self->device < 0 && errno == ENOENT)
		SKIP(return, "there is no " DEVICE);
	ASSERT_LE(0, self->device);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(example)
{
	close(self->device);
	close(self->fd);
}

TEST_F(example, maps_on_demand)
{
	EXPECT_REFUSED(ioctl(self->device, MAPPED), "nothing attached", ENXIO);
	ASSERT_EQ(0, ioctl(self->device, ATTACH, self->fd));
	EXPECT_EQ(0, ioctl(self->device, MAPPED));
	for (long i = 0; i < 8; i++)
		EXPECT_EQ(0, ioctl(self->device, FAULT, i));
	EXPECT_EQ(0, ioctl(self->device, FAULT, 3L));
	EXPECT_EQ(8, ioctl(self->device, MAPPED));
	EXPECT_EQ(8, pages_of(self->fd));
	EXPECT_REFUSED(ioctl(self->device, FAULT, (long)PAGES), "outside", EINVAL);
}

TEST_F(example, unmaps_what_goes_away)
{
	ASSERT_EQ(0, ioctl(self->device, ATTACH, self->fd));
	for (long i = 0; i < 8; i++)
		ASSERT_EQ(0, ioctl(self->device, FAULT, i));
	ASSERT_EQ(0, punch(self->fd, 2, 5));
	EXPECT_EQ(5, ioctl(self->device, MAPPED));
	EXPECT_EQ(0, ioctl(self->device, FAULT, 2L));
	EXPECT_EQ(6, ioctl(self->device, MAPPED));
}

TEST_F(example, shares_with_others)
{
	int consumer, id;

	consumer = new_consumer();
	ASSERT_LE(0, consumer);
	ASSERT_EQ(0, ioctl(self->device, ATTACH, self->fd));
	id = rm_bind(consumer, self->fd, 0, PAGES, RMTEST_SHARED);
	ASSERT_LT(0, id);
	ASSERT_EQ(0, ioctl(self->device, FAULT, 1L));
	EXPECT_EQ(1, rm_counters(consumer).populates);
	close(self->device);
	self->device = -1;
	EXPECT_EQ(0, rm_look(consumer, id, 1))
		TH_LOG("the memory outlives its device");
	close(consumer);
}

TEST_HARNESS_MAIN
