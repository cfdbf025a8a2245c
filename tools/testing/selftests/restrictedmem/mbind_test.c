// SPDX-License-Identifier: GPL-2.0
/*
 * RMFD_MBIND: on which node of the machine memory is allocated that nobody can map,
 * and so cannot mbind().
 */
#include <sys/ioctl.h>

#include <linux/mempolicy.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "test_consumer.h"

#define PAGES 64
#define LARGE 512
#define NODES "/sys/devices/system/node/"

static bool have_node(int node)
{
	char path[64];

	snprintf(path, sizeof(path), NODES "node%d", node);
	return !access(path, F_OK);
}

/* Policy for pages [start, end): 0 or -1. */
static int bind_pages(int fd, uint64_t start, uint64_t end, int mode, unsigned long nodes)
{
	struct rmfd_mbind args = {
		.offset = start * page_size(),
		.len = (end - start) * page_size(),
		.nodemask = nodes ? (uintptr_t)&nodes : 0,
		.maxnode = nodes ? 8 * sizeof(nodes) : 0,
		.mode = mode,
		.size = sizeof(args),
	};

	return ioctl(fd, RMFD_MBIND, &args);
}

/* Pages of the file that are present on a node. */
static long pages_on(int fd, int node)
{
	char path[64], key[32];
	long long kb;
	char *text;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	snprintf(key, sizeof(key), "present-node-%d:", node);
	text = read_text(path);
	if (!text)
		return -1;
	kb = number_after(text, key);
	free(text);
	return kb < 0 ? 0 : kb * 1024 / page_size();
}

FIXTURE(mbind) {
	int fd;
};

FIXTURE_SETUP(mbind)
{
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(mbind)
{
	close(self->fd);
}

TEST_F(mbind, is_refused_where_there_are_no_nodes)
{
	if (!access(NODES, F_OK))
		SKIP(return, "this kernel has nodes");
	EXPECT_REFUSED(bind_pages(self->fd, 0, 1, MPOL_BIND, 1), "no NUMA", EOPNOTSUPP);
}

TEST_F(mbind, looks_at_its_arguments)
{
	static const struct {
		const char *what;
		int error;
		struct rmfd_mbind args;
	} bad[] = {
		{ "a flag", EINVAL, { .flags = 1 } },
		{ "what is reserved", EINVAL, { .reserved = 1 } },
		{ "a size that is too small", EINVAL, { .size = (__u32)-1 } },
		{ "an offset inside a page", EINVAL, { .offset = 1 } },
		{ "a length that is no page", EINVAL, { .len = 1 } },
		{ "a negative offset", EINVAL, { .offset = 1ULL << 63 } },
		{ "a mode that nobody knows", EINVAL, { .mode = 0xff } },
		{ "a mode above all integers", EINVAL, { .mode = 1U << 31 } },
		{ "flags of a mode that exclude each other", EINVAL,
		  { .mode = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES } },
		{ "an address of the kernel", EFAULT, { .nodemask = 1ULL << 63 } },
		{ "more nodes than the kernel can have", EINVAL, { .maxnode = 1ULL << 40 } },
	};
	unsigned long nodes = 1;

	if (access(NODES, F_OK))
		SKIP(return, "this kernel has no nodes");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct rmfd_mbind args = {
			.offset = bad[i].args.offset,
			.len = bad[i].args.len ?: page_size(),
			.nodemask = bad[i].args.nodemask ?: (uintptr_t)&nodes,
			.maxnode = bad[i].args.maxnode ?: 64,
			.mode = MPOL_BIND | bad[i].args.mode,
			.flags = bad[i].args.flags,
			.size = sizeof(args) + bad[i].args.size,
			.reserved = bad[i].args.reserved,
		};

		EXPECT_REFUSED(ioctl(self->fd, RMFD_MBIND, &args), bad[i].what, bad[i].error);
	}
	EXPECT_REFUSED(bind_pages(self->fd, PAGES, PAGES + 1, MPOL_BIND, 1), "beyond", EINVAL);
	EXPECT_REFUSED(bind_pages(self->fd, 3, 3, MPOL_BIND, 1), "nothing", EINVAL);
	EXPECT_REFUSED(bind_pages(self->fd, 0, 1, MPOL_BIND, 0), "no node", EINVAL);
	EXPECT_REFUSED(bind_pages(self->fd, 0, 1, MPOL_DEFAULT, 1), "a node too many", EINVAL);
	EXPECT_REFUSED(bind_pages(self->fd, 0, 1, MPOL_BIND, 1UL << 50), "nowhere", EINVAL);
	EXPECT_REFUSED(ioctl(self->fd, RMFD_MBIND, NULL), "nothing at all", EFAULT);
	EXPECT_ALLOWED(bind_pages(self->fd, 0, 1, MPOL_BIND, 1), "the first node");
}

TEST_F(mbind, needs_a_size)
{
	int fd = memfd_restricted(0, -1);

	ASSERT_LE(0, fd);
	EXPECT_REFUSED(bind_pages(fd, 0, 1, MPOL_BIND, 1), "no size", EINVAL);
}

TEST_F(mbind, is_for_whoever_has_the_file)
{
	if (access(NODES, F_OK))
		SKIP(return, "this kernel has no nodes");
	if (geteuid() == 0)
		ASSERT_EQ(0, become_nobody());
	EXPECT_ALLOWED(bind_pages(self->fd, 0, PAGES, MPOL_PREFERRED, 1), "nobody may");
	EXPECT_ALLOWED(bind_pages(self->fd, 0, PAGES, MPOL_DEFAULT, 0), "and may undo it");
}

FIXTURE(placement) {
	int fd, consumer, id;
};

FIXTURE_SETUP(placement)
{
	if (!have_node(1))
		SKIP(return, "this machine has one node");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->consumer = new_consumer();
	ASSERT_LE(0, self->consumer);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->id = rm_bind(self->consumer, self->fd, 0, PAGES, RMTEST_EXCLUSIVE);
	ASSERT_LT(0, self->id);
}

FIXTURE_TEARDOWN(placement)
{
	close(self->consumer);
	close(self->fd);
}

static int touch(int consumer, int id, int start, int end)
{
	for (int i = start; i < end; i++)
		if (rm_get(consumer, id, i) < 0)
			return -1;
	return 0;
}

TEST_F(placement, follows_the_range)
{
	for (int node = 0; node < 2; node++) {
		ASSERT_EQ(0, bind_pages(self->fd, 0, 24, MPOL_BIND, 1UL << node));
		ASSERT_EQ(0, bind_pages(self->fd, 24, 64, MPOL_BIND, 2UL >> node));
		ASSERT_EQ(0, touch(self->consumer, self->id, 0, PAGES));
		EXPECT_EQ(24, pages_on(self->fd, node));
		EXPECT_EQ(40, pages_on(self->fd, !node));
		ASSERT_EQ(0, punch(self->fd, 0, PAGES));
	}
}

TEST_F(placement, holds_for_what_is_reserved)
{
	ASSERT_EQ(0, bind_pages(self->fd, 0, PAGES, MPOL_BIND, 2));
	ASSERT_EQ(0, reserve(self->fd, 0, 16));
	ASSERT_EQ(0, bind_pages(self->fd, 0, PAGES, MPOL_BIND, 1));
	ASSERT_EQ(0, touch(self->consumer, self->id, 0, 32));
	EXPECT_EQ(16, pages_on(self->fd, 1))
		TH_LOG("it was allocated when it was reserved");
	EXPECT_EQ(16, pages_on(self->fd, 0));
}

TEST_F(placement, leaves_what_is_there)
{
	long pfn;

	ASSERT_EQ(0, bind_pages(self->fd, 0, PAGES, MPOL_BIND, 2));
	pfn = rm_get(self->consumer, self->id, 5);
	ASSERT_EQ(0, rm_fill(self->consumer, self->id, 5, 6, 0x77));
	ASSERT_EQ(0, bind_pages(self->fd, 0, PAGES, MPOL_BIND, 1));
	EXPECT_EQ(1, pages_on(self->fd, 1));
	EXPECT_EQ(pfn, rm_get(self->consumer, self->id, 5));
	EXPECT_EQ(0x77, rm_look(self->consumer, self->id, 5));
}

TEST_F(placement, interleaves)
{
	ASSERT_EQ(0, bind_pages(self->fd, 0, PAGES, MPOL_INTERLEAVE, 3));
	ASSERT_EQ(0, touch(self->consumer, self->id, 0, PAGES));
	EXPECT_EQ(PAGES / 2, pages_on(self->fd, 0));
	EXPECT_EQ(PAGES / 2, pages_on(self->fd, 1));
}

TEST_F(placement, holds_for_large_pages)
{
	for (int node = 0; node < 2; node++) {
		int fd = memfd_restricted(RMFD_HUGEPAGE, -1), id;

		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, 2L * LARGE * page_size()));
		ASSERT_EQ(0, bind_pages(fd, 0, 2 * LARGE, MPOL_BIND, 1UL << node));
		id = rm_bind(self->consumer, fd, 0, 2 * LARGE, RMTEST_EXCLUSIVE);
		ASSERT_EQ(9, rm_order(self->consumer, id, LARGE + 7));
		EXPECT_EQ(LARGE, pages_on(fd, node));
		EXPECT_EQ(0, pages_on(fd, !node));
		ASSERT_EQ(0, rm_unbind(self->consumer, id));
		close(fd);
	}
}

TEST_HARNESS_MAIN
