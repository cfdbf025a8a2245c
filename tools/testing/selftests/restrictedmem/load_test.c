// SPDX-License-Identifier: GPL-2.0
/*
 * Initial contents from memory of the caller: what arrives, what is refused, and
 * what is left when it ends early. Sources that do not answer are in
 * load_wait_test.c, large folios in large_test.c, memory errors in poison_test.c,
 * and who pays in charge_test.c.
 */
#define _GNU_SOURCE
#include "load_fixture.h"

/* What arrives */

TEST_F(load, brings_contents)
{
	long pages;

	ASSERT_EQ(0, load_pages(self->fd, 4, 12, self->bytes, &pages));
	EXPECT_EQ(8, pages);
	EXPECT_EQ(8, pages_of(self->fd));
	EXPECT_EQ(4 * self->page, lseek(self->fd, 0, SEEK_DATA))
		TH_LOG("what was loaded is present");
	EXPECT_EQ(12 * self->page, lseek(self->fd, 4 * self->page, SEEK_HOLE));
	for (int i = 0; i < 8; i++)
		EXPECT_HOLDS(4 + i, self->bytes + i * self->page);
	EXPECT_BYTE(0, 3);
	EXPECT_BYTE(0, 12);
}

TEST_F(load, brings_all_of_the_file)
{
	long pages;

	ASSERT_EQ(0, load_pages(self->fd, 0, PAGES, self->bytes, &pages));
	EXPECT_EQ(PAGES, pages);
	for (int i = 0; i < PAGES; i++)
		EXPECT_HOLDS(i, self->bytes + i * self->page);
}

TEST_F(load, takes_memory_of_any_alignment)
{
	const long offsets[] = { 1, 17, self->page / 2, self->page - 1 };
	long pages;

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, load_pages(self->fd, 0, PAGES, self->bytes + offsets[i],
					&pages));
		EXPECT_EQ(PAGES, pages);
		EXPECT_HOLDS(0, self->bytes + offsets[i]);
		EXPECT_HOLDS(PAGES - 1,
			     self->bytes + offsets[i] + (PAGES - 1) * self->page);
	}
}

TEST_F(load, more_than_a_batch_at_any_alignment)
{
	long size = (2 * BATCH + 10) * self->page, pages;
	char *source = mmap(NULL, size + self->page, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = new_sized_file(size);

	ASSERT_NE(MAP_FAILED, source);
	ASSERT_LE(0, fd);
	for (long i = 0; i <= size / self->page; i++)
		memset(source + i * self->page, 1 + i % 255, self->page);
	ASSERT_EQ(0, load_pages(fd, 3, 2 * BATCH + 10, source + 100, &pages));
	EXPECT_EQ(2 * BATCH + 7, pages);
	for (long i = 0; i < 2 * BATCH + 7; i++) {
		ASSERT_EQ(1, holds(self->a, fd, 3 + i, source + 100 + i * self->page))
			TH_LOG("page %ld", i);
	}
	close(fd);
}

TEST_F(load, takes_memory_that_was_never_touched)
{
	void *zeroes = mmap(NULL, 4 * self->page, PROT_READ,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long pages;

	ASSERT_EQ(0, used_before(self->a, self->fd, 0, 4, 0x55));
	ASSERT_EQ(0, load_pages(self->fd, 0, 4, zeroes, &pages));
	EXPECT_BYTE(0, 0);
	EXPECT_BYTE(0, 3);
}

TEST_F(load, takes_a_mapping_of_a_file)
{
	int file = memfd_create("source", 0);
	void *mapping;
	long pages;

	ASSERT_EQ(4 * self->page, write(file, self->bytes, 4 * self->page));
	mapping = mmap(NULL, 4 * self->page, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, mapping);
	ASSERT_EQ(0, load_pages(self->fd, 8, 12, mapping, &pages));
	for (int i = 0; i < 4; i++)
		EXPECT_HOLDS(8 + i, self->bytes + i * self->page);
}

TEST_F(load, replaces_what_is_there)
{
	long pages;

	ASSERT_EQ(0, used_before(self->a, self->fd, 8, 16, 0x55));
	ASSERT_EQ(0, load_pages(self->fd, 10, 18, self->bytes, &pages));
	EXPECT_BYTE(0x55, 9);
	for (int i = 0; i < 8; i++)
		EXPECT_HOLDS(10 + i, self->bytes + i * self->page);
	EXPECT_EQ(10, pages_of(self->fd));
}

TEST_F(load, uses_what_is_reserved)
{
	long pages;

	ASSERT_EQ(0, reserve(self->fd, 8, 16));
	ASSERT_EQ(0, load_pages(self->fd, 10, 12, self->bytes, &pages));
	EXPECT_EQ(8, pages_of(self->fd));
	EXPECT_HOLDS(10, self->bytes);
	EXPECT_BYTE(0, 9);
	EXPECT_BYTE(0, 12);
}

TEST_F(load, is_punched_as_any_memory)
{
	long pages;

	ASSERT_EQ(0, load_pages(self->fd, 0, 8, self->bytes, &pages));
	ASSERT_EQ(0, punch(self->fd, 2, 4));
	EXPECT_EQ(6, pages_of(self->fd));
	EXPECT_BYTE(0, 2);
	EXPECT_HOLDS(4, self->bytes + 4 * self->page);
}

TEST_F(load, whoever_binds_it_is_not_told)
{
	long pages;
	int id;

	ASSERT_EQ(0, load_pages(self->fd, 0, 8, self->bytes, &pages));
	id = rm_bind(self->a, self->fd, 0, 16, EXCL);
	ASSERT_LT(0, id);
	ASSERT_LT(0, rm_get(self->a, id, 3));
	EXPECT_STORY("", "it was present before", self->a);
	ASSERT_LT(0, rm_get(self->a, id, 8));
	EXPECT_STORY("a:populate@8", "and this was not", self->a);
}

TEST_F(load, needs_no_privilege)
{
	long pages;

	ASSERT_EQ(0, become_nobody());
	EXPECT_ALLOWED(load_pages(self->fd, 0, 8, self->bytes, &pages),
		       "the descriptor is all it takes");
}

/* What is refused */

TEST_F(load, whole_pages_inside_the_size)
{
	const uint64_t page = self->page, size = PAGES * page;
	const uint64_t last = LLONG_MAX & -page;
	const struct { uint64_t offset, len; } ranges[] = {
		{ 0, 0 }, { page, 0 }, { 0, 1 }, { 0, page - 1 }, { 0, page + 1 },
		{ 1, page }, { 512, page }, { page - 1, page }, { size, page },
		{ size, 0 }, { size - page, 2 * page }, { 0, size + page },
		{ size + page, page }, { last, page },
		{ last, last }, { 0, last },
		{ 1ULL << 63, page }, { page, 1ULL << 63 }, { -page, page },
		{ page, -page }, { -page, -page }, { UINT64_MAX, UINT64_MAX },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct rmfd_load load = {
			.offset = ranges[i].offset,
			.len = ranges[i].len,
			.addr = (uintptr_t)self->bytes,
			.done = NOT_DONE,
			.size = sizeof(load),
		};
		struct rmfd_load_fd load_fd = {
			.offset = ranges[i].offset,
			.len = ranges[i].len,
			.done = NOT_DONE,
			.fd = 0,
			.size = sizeof(load_fd),
		};

		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, &load),
			       "not pages of the file", EINVAL);
		EXPECT_EQ(0, load.done)
			TH_LOG("range %u", i);
		load_fd.fd = memfd_create("source", 0);
		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, &load_fd),
			       "not pages of the file", EINVAL);
		EXPECT_EQ(0, load_fd.done)
			TH_LOG("range %u", i);
		close(load_fd.fd);
	}
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(load, nothing_before_the_size_is_set)
{
	int fd = memfd_restricted(0, -1);
	long pages;

	EXPECT_REFUSED(load_pages(fd, 0, 1, self->bytes, &pages), "no size", EINVAL);
	EXPECT_EQ(0, pages);
	EXPECT_ALLOWED(ftruncate(fd, self->page), "it can still be set");
	EXPECT_ALLOWED(load_pages(fd, 0, 1, self->bytes, &pages), "inside the size");
	close(fd);
}

TEST_F(load, flags_that_nobody_defined)
{
	struct rmfd_load load = { .len = self->page, .addr = (uintptr_t)self->bytes,
				  .size = sizeof(load) };
	struct rmfd_load_fd load_fd = { .len = self->page, .fd = memfd_create("source", 0),
					.size = sizeof(load_fd) };

	for (uint32_t flag = 1; flag; flag <<= 1) {
		load.flags = flag;
		load_fd.flags = flag;
		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, &load), "a flag", EINVAL);
		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, &load_fd), "a flag", EINVAL);
		load_fd.flags = 0;
		load_fd.reserved = flag;
		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, &load_fd), "reserved", EINVAL);
		load_fd.reserved = 0;
	}
	EXPECT_EQ(0, pages_of(self->fd));
}

/* A program that knows more than this kernel: both numbers, both structs. */
TEST_F(load, arguments_may_grow)
{
	struct { struct rmfd_load load; uint64_t more[512]; } *grown = calloc(1, sizeof(*grown));
	struct { struct rmfd_load_fd load; uint64_t more[512]; } *grown_fd =
		calloc(1, sizeof(*grown_fd));
	const unsigned long newer = _IOC(_IOC_READ | _IOC_WRITE, RMFD_IOC, 0,
					 sizeof(struct rmfd_load) + 8);

	grown->load.len = self->page;
	grown->load.addr = (uintptr_t)self->bytes;
	for (uint32_t size = 0; size < sizeof(grown->load); size++) {
		grown->load.size = size;
		EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, grown), "too small", EINVAL);
	}
	grown->load.size = sizeof(grown->load) + 8;
	EXPECT_ALLOWED(ioctl(self->fd, RMFD_LOAD, grown), "zeroes say nothing");
	EXPECT_EQ(self->page, (long)grown->load.done);
	EXPECT_ALLOWED(ioctl(self->fd, newer, grown), "whatever size the number has");
	grown->more[0] = 1;
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, grown), "something new", E2BIG);
	EXPECT_REFUSED(ioctl(self->fd, newer, grown), "something new", E2BIG);
	grown->load.size = sizeof(grown->load);
	EXPECT_ALLOWED(ioctl(self->fd, RMFD_LOAD, grown), "not part of it");
	grown->more[0] = 0;
	grown->load.size = self->page + 8;
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, grown), "beyond a page", E2BIG);
	grown->load.size = UINT32_MAX;
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, grown), "beyond a page", E2BIG);

	grown_fd->load.len = self->page;
	grown_fd->load.fd = memfd_create("source", 0);
	ASSERT_EQ(self->page, write(grown_fd->load.fd, self->bytes, self->page));
	grown_fd->load.size = sizeof(grown_fd->load) - 1;
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, grown_fd), "too small", EINVAL);
	grown_fd->load.size = sizeof(grown_fd->load) + 8;
	EXPECT_ALLOWED(ioctl(self->fd, RMFD_LOAD_FD, grown_fd), "zeroes say nothing");
	grown_fd->more[0] = 1;
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, grown_fd), "something new", E2BIG);
}

TEST_F(load, numbers_that_nobody_defined)
{
	struct rmfd_load load = { .len = self->page, .addr = (uintptr_t)self->bytes,
				  .size = sizeof(load) };

	for (int nr = 0x80; nr < 0x100; nr++)
		EXPECT_REFUSED(ioctl(self->fd, _IOWR(RMFD_IOC, nr, struct rmfd_load),
				     &load),
			       "not one of ours", ENOTTY);
	EXPECT_REFUSED(ioctl(self->fd, _IOW(RMFD_IOC, 0, struct rmfd_load), &load),
		       "another direction", ENOTTY);
	EXPECT_REFUSED(ioctl(self->fd, _IOWR(RMFD_IOC + 1, 0, struct rmfd_load), &load),
		       "another type", ENOTTY);
	EXPECT_REFUSED(ioctl(self->fd, _IO(RMFD_IOC, 0), &load),
		       "another direction", ENOTTY);
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(load, addresses_where_nothing_is)
{
	const uint64_t addresses[] = {
		0, self->page, (uintptr_t)self->bytes + (1ULL << 46), 1ULL << 62,
		1ULL << 63, 0xffffffff81000000, UINT64_MAX, UINT64_MAX - self->page,
		-8 * self->page,
	};
	void *none = mmap(NULL, self->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long pages;

	for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
		EXPECT_REFUSED(load_pages(self->fd, 0, 8, (void *)addresses[i], &pages),
			       "no memory of the caller", EFAULT);
		EXPECT_EQ(0, pages)
			TH_LOG("address %u", i);
	}
	EXPECT_REFUSED(load_pages(self->fd, 0, 1, none, &pages), "PROT_NONE", EFAULT);
	EXPECT_EQ(0, pages_of(self->fd));
}

/* Memory that not even the kernel may read. */
TEST_F(load, memory_that_must_not_be_read)
{
	int secret = syscall(SYS_memfd_secret, 0);
	char *bytes;
	long pages;

	if (secret < 0)
		SKIP(return, "no secret memory in this kernel");
	ASSERT_EQ(0, ftruncate(secret, 4 * self->page));
	bytes = mmap(NULL, 4 * self->page, PROT_READ | PROT_WRITE, MAP_SHARED, secret, 0);
	ASSERT_NE(MAP_FAILED, bytes);
	memset(bytes, 0x21, 4 * self->page);
	EXPECT_REFUSED(load_pages(self->fd, 0, 4, bytes, &pages),
		       "the kernel has no address for it", EFAULT);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(load, ends_where_the_file_behind_the_memory_does)
{
	int file = memfd_create("source", 0);
	char *mapping;
	long pages;

	ASSERT_EQ(4 * self->page, write(file, self->bytes, 4 * self->page));
	mapping = mmap(NULL, 4 * self->page, PROT_READ, MAP_SHARED, file, 0);
	ASSERT_NE(MAP_FAILED, mapping);
	ASSERT_EQ(0, used_before(self->a, self->fd, 8, 12, 0x55));
	ASSERT_EQ(0, ftruncate(file, 2 * self->page));
	EXPECT_REFUSED(load_pages(self->fd, 8, 12, mapping, &pages),
		       "the caller would get SIGBUS", EFAULT);
	EXPECT_EQ(2, pages);
	EXPECT_HOLDS(9, self->bytes + self->page);
	EXPECT_BYTE(0x55, 10);
}

TEST_F(load, arguments_where_nothing_is)
{
	struct rmfd_load *args = mmap(NULL, self->page, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, NULL), "no arguments", EFAULT);
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD_FD, -8L), "no arguments", EFAULT);
	args->len = self->page;
	args->addr = (uintptr_t)self->bytes;
	args->size = sizeof(*args);
	ASSERT_EQ(0, mprotect(args, self->page, PROT_READ));
	EXPECT_REFUSED(ioctl(self->fd, RMFD_LOAD, args),
		       "there is no telling how much was done", EFAULT);
}

TEST_F(load, ends_where_the_memory_does)
{
	const int offsets[] = { 0, 1, 1000 };
	long pages;

	ASSERT_EQ(0, munmap(self->bytes + 5 * self->page, self->page));
	for (int i = 0; i < 3; i++) {
		const int whole = offsets[i] ? 4 : 5;

		ASSERT_EQ(0, used_before(self->a, self->fd, 8, 24, 0x55));
		EXPECT_REFUSED(load_pages(self->fd, 8, 20, self->bytes + offsets[i],
					  &pages),
			       "there is no memory at page 5", EFAULT);
		EXPECT_EQ(whole, pages)
			TH_LOG("as far as there are whole pages");
		EXPECT_HOLDS(8, self->bytes + offsets[i]);
		EXPECT_HOLDS(8 + whole - 1,
			     self->bytes + offsets[i] + (whole - 1) * self->page);
		EXPECT_BYTE(0x55, 8 + whole);
		EXPECT_BYTE(0x55, 19);
	}
}

TEST_F(load, memory_that_is_bound_is_left_alone)
{
	const struct { int start, end; } ranges[] = {
		{ 8, 16 }, { 15, 16 }, { 8, 9 }, { 0, 9 }, { 0, PAGES }, { 15, PAGES },
	};
	int id = rm_bind(self->a, self->fd, 8, 16, SHRD);
	long pages;

	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->a, id, 8, 12, 0x55));
	ASSERT_EQ(0, rm_reset(self->a));
	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		EXPECT_REFUSED(load_pages(self->fd, ranges[i].start, ranges[i].end,
					  self->bytes, &pages),
			       "somebody uses it", EBUSY);
		EXPECT_EQ(0, pages);
	}
	EXPECT_EQ(4, pages_of(self->fd))
		TH_LOG("nor is anything loaded that nobody uses");
	EXPECT_EQ(0x55, rm_look(self->a, id, 8));
	EXPECT_STORY("", "nothing to tell", self->a);

	EXPECT_ALLOWED(load_pages(self->fd, 0, 8, self->bytes, &pages), "before it");
	EXPECT_ALLOWED(load_pages(self->fd, 16, 24, self->bytes, &pages), "behind it");
	EXPECT_STORY("", "nothing to tell", self->a);
	ASSERT_EQ(0, rm_unbind(self->a, id));
	EXPECT_ALLOWED(load_pages(self->fd, 0, PAGES, self->bytes, &pages), "nobody");
	EXPECT_HOLDS(9, self->bytes + 9 * self->page);
}

TEST_F(load, a_consumer_may_let_it_in)
{
	int id = rm_bind(self->a, self->fd, 8, 16, EXCL | RMTEST_LOADABLE);
	long pages;

	ASSERT_LT(0, id);
	ASSERT_EQ(0, rm_fill(self->a, id, 10, 12, 0x55));
	ASSERT_EQ(0, rm_reset(self->a));
	memset(self->bytes, 0x77, 7 * self->page);
	ASSERT_EQ(0, load_pages(self->fd, 6, 13, self->bytes, &pages));
	EXPECT_EQ(7, pages);
	EXPECT_STORY("a:populate@8 a:populate@9 a:populate@12",
		     "it is told of what it did not have, and of nothing else", self->a);
	EXPECT_EQ(0x77, rm_look(self->a, id, 8));
	EXPECT_EQ(0x77, rm_look(self->a, id, 10))
		TH_LOG("what it had has changed, too");
	EXPECT_EQ(0x77, rm_look(self->a, id, 12));
	EXPECT_EQ(7, pages_of(self->fd));
}

TEST_F(load, all_consumers_have_to_let_it_in)
{
	int yes = rm_bind(self->a, self->fd, 0, 16, SHRD | RMTEST_LOADABLE);
	int other = new_consumer(), no = rm_bind(other, self->fd, 12, 20, SHRD);
	long pages;

	ASSERT_LT(0, yes);
	ASSERT_LT(0, no);
	EXPECT_REFUSED(load_pages(self->fd, 8, 13, self->bytes, &pages), "one has not", EBUSY);
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_STORY("", "nothing to tell", self->a, other);
	EXPECT_ALLOWED(load_pages(self->fd, 8, 12, self->bytes, &pages), "those that have");
	close(other);
}

TEST_F(load, a_consumer_that_lets_it_in_may_refuse_what_comes)
{
	int id = rm_bind(self->a, self->fd, 8, 16, EXCL | RMTEST_LOADABLE);
	long pages;

	ASSERT_LT(0, id);
	BEHAVE(self->a, .populate_errno = EXDEV);
	EXPECT_REFUSED(load_pages(self->fd, 6, 16, self->bytes, &pages), "it refuses", EXDEV);
	EXPECT_EQ(2, pages);
	EXPECT_EQ(2, pages_of(self->fd))
		TH_LOG("what nobody has bound was loaded, and nothing else is there");
	BEHAVE(self->a, 0);
	EXPECT_EQ(0, rm_look(self->a, id, 8));
}

TEST_HARNESS_MAIN
