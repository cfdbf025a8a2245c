// SPDX-License-Identifier: GPL-2.0
/*
 * Who may hold which pages: the rules for making and ending bindings.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <sys/mman.h>

#include <linux/kvm.h>

#include "restrictedmem.h"
#include "test_consumer.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED

FIXTURE(bind) {
	int fd, a, b;
};

FIXTURE_SETUP(bind)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(bind)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

/* A type of machine that has it; where there are no types, all have. */
#ifdef KVM_X86_SW_PROTECTED_VM
#define GUEST_MEMFD_VM	KVM_X86_SW_PROTECTED_VM
#else
#define GUEST_MEMFD_VM	0
#endif

/* KVM's own kind of memory that is not mapped; -1 if there is none. */
static int new_guest_memfd(void)
{
	struct kvm_create_guest_memfd args = { .size = PAGES * page_size() };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = ioctl(kvm, KVM_CREATE_VM, GUEST_MEMFD_VM);
	int fd = ioctl(vm, KVM_CREATE_GUEST_MEMFD, &args);

	close(vm);
	close(kvm);
	return fd;
}

/*
 * A restricted file is known by its operations: neither memory of another kind nor
 * a descriptor of the same inode that leads to no open file will do.
 */
TEST_F(bind, refuses_other_files)
{
	char path[64];
	struct {
		const char *name;
		int fd;
	} files[] = {
		{ "memfd", memfd_create("m", 0) },
		{ "tmpfs file", open("/dev/shm", O_TMPFILE | O_RDWR, 0600) },
		{ "folder", open("/", O_RDONLY) },
		{ "/dev/null", open("/dev/null", O_RDWR) },
		{ "/proc file", open("/proc/self/status", O_RDONLY) },
		{ "test consumer", open(RMTEST_DEVICE, O_RDWR) },
#ifdef SYS_memfd_secret
		{ "secret memory", syscall(SYS_memfd_secret, 0) },
#endif
		{ "guest_memfd", new_guest_memfd() },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		if (files[i].fd < 0)
			continue;
		if (ftruncate(files[i].fd, PAGES * page_size()))
			TH_LOG("%s has no size to set", files[i].name);
		EXPECT_REFUSED(rm_bind(self->a, files[i].fd, 0, 1, EXCL),
			       files[i].name, EINVAL);
		close(files[i].fd);
	}
	EXPECT_REFUSED(rm_bind(self->a, -1, 0, 1, EXCL), "no file", EBADF);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_REFUSED(rm_bind(self->a, open(path, O_PATH), 0, 1, EXCL),
		       "a path and no file", EBADF);
}

TEST_F(bind, refuses_a_file_without_size)
{
	int fd = memfd_restricted(0, -1);

	ASSERT_LE(0, fd);
	EXPECT_REFUSED(rm_bind(self->a, fd, 0, 1, EXCL),
		       "every page is outside of a file without a size", EINVAL);
	ASSERT_EQ(0, ftruncate(fd, page_size()));
	EXPECT_ALLOWED(rm_bind(self->a, fd, 0, 1, EXCL),
		       "once it has a size");
	close(fd);
}

TEST_F(bind, checks_the_range)
{
	const uint64_t most = UINT64_MAX;

	EXPECT_REFUSED(rm_bind(self->a, self->fd, 0, 0, EXCL), "empty", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, PAGES, PAGES, EXCL), "empty", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 2, 1, EXCL), "reversed", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, most, 0, EXCL), "reversed", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 0, PAGES + 1, EXCL),
		       "reaches over the end", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, PAGES, PAGES + 1, EXCL),
		       "behind the end", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 0, most, EXCL), "huge", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, most - 1, most, EXCL), "huge", EINVAL);
	/* In bytes these wrap around to something that looks right. */
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 0, (1ULL << 52) + 1, EXCL),
		       "wraps around", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 1ULL << 52, (1ULL << 52) + 1, EXCL),
		       "wraps around", EINVAL);
	EXPECT_REFUSED(rm_bind(self->a, self->fd, 1ULL << 63, (1ULL << 63) + 1, EXCL),
		       "negative", EINVAL);
	EXPECT_EQ(0, rm_counters(self->a).bindings);
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("bind allocates nothing");

	EXPECT_ALLOWED(rm_bind(self->a, self->fd, 0, 1, EXCL), "first page");
	EXPECT_ALLOWED(rm_bind(self->a, self->fd, PAGES - 1, PAGES, EXCL), "last page");
	EXPECT_ALLOWED(rm_bind(self->a, self->fd, 1, PAGES - 1, EXCL), "the rest");
}

TEST_F(bind, knows_its_range)
{
	struct rmtest_range range = { .id = rm_bind(self->a, self->fd, 3, 7, EXCL) };

	ASSERT_EQ(0, ioctl(self->a, RMTEST_BINDING_RANGE, &range));
	EXPECT_EQ(3, range.start);
	EXPECT_EQ(7, range.end);
}

/* Overlaps of [8, 16) and what lies beside it. */
static const struct {
	const char *name;
	int start, end;
	bool overlaps;
} places[] = {
	{ "ends where it starts", 0, 8, false },
	{ "starts where it ends", 16, 24, false },
	{ "overlaps its first page", 0, 9, true },
	{ "overlaps its last page", 15, 24, true },
	{ "is its first page", 8, 9, true },
	{ "is its last page", 15, 16, true },
	{ "lies inside", 10, 12, true },
	{ "is the same", 8, 16, true },
	{ "contains it", 7, 17, true },
	{ "is the whole file", 0, PAGES, true },
};

FIXTURE(overlap) {
	int fd, a, b;
};

FIXTURE_VARIANT(overlap) {
	int first, second;
	bool same_consumer, allowed;
};

FIXTURE_VARIANT_ADD(overlap, exclusive_exclusive) {
	.first = EXCL, .second = EXCL,
};

FIXTURE_VARIANT_ADD(overlap, exclusive_shared) {
	.first = EXCL, .second = SHRD,
};

FIXTURE_VARIANT_ADD(overlap, shared_exclusive) {
	.first = SHRD, .second = EXCL,
};

FIXTURE_VARIANT_ADD(overlap, shared_shared) {
	.first = SHRD, .second = SHRD, .allowed = true,
};

FIXTURE_VARIANT_ADD(overlap, own_exclusive) {
	.first = EXCL, .second = EXCL, .same_consumer = true,
};

FIXTURE_VARIANT_ADD(overlap, own_shared) {
	.first = SHRD, .second = SHRD, .same_consumer = true,
};

FIXTURE_SETUP(overlap)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->b = variant->same_consumer ? dup(self->a) : new_consumer();
	ASSERT_LE(0, self->b);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(overlap)
{
	close(self->a);
	close(self->b);
	close(self->fd);
}

TEST_F(overlap, follows_the_mode)
{
	int first = rm_bind(self->a, self->fd, 8, 16, variant->first);
	int second;

	ASSERT_LT(0, first);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i].overlaps && !variant->allowed) {
			EXPECT_REFUSED(rm_bind(self->b, self->fd, places[i].start,
					       places[i].end, variant->second),
				       places[i].name,
				       variant->same_consumer ? EEXIST : EBUSY);
			continue;
		}
		second = rm_bind(self->b, self->fd, places[i].start,
				 places[i].end, variant->second);
		EXPECT_LT(0, second)
			TH_LOG("%s: %s", places[i].name, strerror(errno));
		EXPECT_EQ(0, rm_unbind(self->b, second));
	}

	/* What was refused left nothing behind; what ended is free at once. */
	ASSERT_EQ(0, rm_unbind(self->a, first));
	second = rm_bind(self->b, self->fd, 0, PAGES, EXCL);
	EXPECT_LT(0, second)
		TH_LOG("the file is free again: %s", strerror(errno));
	EXPECT_EQ(0, rm_unbind(self->b, second));
}

TEST_F(bind, exclusive_waits_for_the_last_of_the_shared)
{
	int a = rm_bind(self->a, self->fd, 0, 8, SHRD);
	int b = rm_bind(self->b, self->fd, 4, 12, SHRD);
	int c;

	c = new_consumer();
	ASSERT_LE(0, c);
	ASSERT_LT(0, a);
	ASSERT_LT(0, b);
	EXPECT_REFUSED(rm_bind(c, self->fd, 0, PAGES, EXCL), "two others", EBUSY);
	EXPECT_EQ(0, rm_unbind(self->a, a));
	EXPECT_REFUSED(rm_bind(c, self->fd, 0, PAGES, EXCL), "one other", EBUSY);
	EXPECT_ALLOWED(rm_bind(c, self->fd, 0, 4, EXCL), "beside the other");
	EXPECT_EQ(0, rm_unbind(self->b, b));
	EXPECT_ALLOWED(rm_bind(c, self->fd, 4, PAGES, EXCL), "nobody else");
	close(c);
}

TEST_F(bind, two_files_know_nothing_of_each_other)
{
	int fd;

	fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, fd);
	EXPECT_ALLOWED(rm_bind(self->a, self->fd, 0, PAGES, EXCL), "one file");
	EXPECT_ALLOWED(rm_bind(self->a, fd, 0, PAGES, EXCL), "another file");
	close(fd);
}

TEST_F(bind, does_not_announce_what_is_present)
{
	int a = rm_bind(self->a, self->fd, 0, 4, SHRD), b;

	ASSERT_NE(-1, rm_get(self->a, a, 0));
	b = rm_bind(self->b, self->fd, 0, 4, SHRD);
	ASSERT_LT(0, b);
	EXPECT_EQ(1, rm_counters(self->a).populates);
	EXPECT_EQ(0, rm_counters(self->b).populates);
	EXPECT_EQ(rm_get(self->a, a, 0), rm_get(self->b, b, 0));
	EXPECT_EQ(0, rm_counters(self->b).populates)
		TH_LOG("a get of memory that is present populates nothing");
}

TEST_F(bind, contents_outlive_the_binding)
{
	int id = rm_bind(self->a, self->fd, 0, 8, EXCL);
	long pfn = rm_get(self->a, id, 5);

	ASSERT_EQ(0, rm_fill(self->a, id, 0, 8, 0x5a));
	ASSERT_EQ(0, rm_unbind(self->a, id));
	EXPECT_REFUSED(rm_get(self->a, id, 5), "no such binding any more", ENOENT);

	id = rm_bind(self->b, self->fd, 4, 12, EXCL);
	ASSERT_LT(0, id);
	EXPECT_EQ(pfn, rm_get(self->b, id, 5));
	EXPECT_EQ(0x5a, rm_look(self->b, id, 5));
	EXPECT_EQ(0x5a, rm_look(self->b, id, 7));
	EXPECT_EQ(0, rm_look(self->b, id, 8));
	EXPECT_EQ(4, rm_counters(self->b).populates + 3)
		TH_LOG("only page 8 was not present");
}

TEST_F(bind, outlives_the_descriptor)
{
	int id = rm_bind(self->a, self->fd, 0, PAGES, EXCL);

	ASSERT_EQ(0, rm_fill(self->a, id, 0, 2, 0x11));
	ASSERT_EQ(0, close(self->fd));
	self->fd = -1;

	EXPECT_EQ(0, rm_counters(self->a).starts)
		TH_LOG("closing takes nothing away");
	EXPECT_EQ(0x11, rm_look(self->a, id, 1));
	EXPECT_EQ(0, rm_look(self->a, id, 2))
		TH_LOG("first touch works without a descriptor");
	EXPECT_EQ(0, rm_unbind(self->a, id));
}

TEST_F(bind, closing_the_consumer_ends_its_bindings)
{
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, EXCL));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 16, 24, EXCL));
	EXPECT_REFUSED(rm_bind(self->b, self->fd, 0, PAGES, EXCL), "held", EBUSY);
	close(self->a);
	self->a = -1;
	EXPECT_ALLOWED(rm_bind(self->b, self->fd, 0, PAGES, EXCL), "free");
}

TEST_F(bind, waits_for_an_invalidation)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .end = 4 };
	struct rm_call bind = { .what = CALL_BIND, .fd = self->fd, .end = 8 };
	struct rm_call unbind = { .what = CALL_UNBIND, .consumer = self->a };
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_NE(-1, rm_get(self->a, id, 0));
	BEHAVE(self->a, .start_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, starts, 1));

	bind.consumer = self->b;
	unbind.id = id;
	ASSERT_EQ(0, rm_call_start(&bind));
	ASSERT_EQ(0, rm_call_start(&unbind));
	rm_sleep_ms(200);
	EXPECT_FALSE(bind.done)
		TH_LOG("bind waits between start and end");
	EXPECT_FALSE(unbind.done)
		TH_LOG("unbind waits between start and end");

	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
	EXPECT_LT(0, rm_call_end(&bind));
	EXPECT_EQ(0, rm_call_end(&unbind));
	EXPECT_EQ(1, rm_counters(self->a).ends);
	EXPECT_EQ(0, rm_counters(self->b).starts + rm_counters(self->b).ends)
		TH_LOG("who came during an invalidation sees neither half of it");
}

TEST_F(bind, is_interrupted_by_a_signal)
{
	struct rm_call hole = { .what = CALL_PUNCH, .fd = self->fd, .end = 4 };
	struct rm_call bind = { .what = CALL_BIND, .fd = self->fd, .end = 8 };

	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	BEHAVE(self->a, .prepare_delay_ms = 20000);
	ASSERT_EQ(0, rm_call_start(&hole));
	ASSERT_TRUE(rm_wait_for(self->a, prepares, 1));

	bind.consumer = self->b;
	ASSERT_EQ(0, rm_call_start(&bind));
	rm_sleep_ms(200);
	EXPECT_FALSE(bind.done);
	pthread_kill(bind.thread, SIGUSR1);
	EXPECT_EQ(-1, rm_call_end(&bind));
	EXPECT_EQ(EINTR, bind.error)
		TH_LOG("a bind that waits is interrupted");
	EXPECT_EQ(0, rm_counters(self->b).bindings);

	EXPECT_EQ(0, rm_continue(self->a));
	EXPECT_EQ(0, rm_call_end(&hole));
}

TEST_HARNESS_MAIN
