// SPDX-License-Identifier: GPL-2.0
/*
 * Initial contents from another file: what arrives, what is refused, and what is
 * left when the file ends early.
 */
#define _GNU_SOURCE
#include "load_fixture.h"

/* A file of so many and a half pages, with what is at @bytes. */
#define WHOLE 10

static int new_source(const char *bytes)
{
	long size = WHOLE * page_size() + page_size() / 2;
	int fd = memfd_create("source", 0);

	if (fd < 0 || write(fd, bytes, size) != size)
		return -1;
	return fd;
}

TEST_F(load, brings_contents_of_a_file)
{
	int file = new_source(self->bytes);
	long pages;

	ASSERT_EQ(0, load_pages_fd(self->fd, 4, 12, file, self->page, &pages));
	EXPECT_EQ(8, pages);
	EXPECT_EQ(8, pages_of(self->fd));
	for (int i = 0; i < 8; i++)
		EXPECT_HOLDS(4 + i, self->bytes + (1 + i) * self->page);
	EXPECT_EQ(WHOLE * self->page + self->page / 2, lseek(file, 0, SEEK_CUR))
		TH_LOG("its position stays");
}

TEST_F(load, reads_a_file_at_any_offset)
{
	int file = new_source(self->bytes);
	const long offsets[] = { 1, 100, self->page - 1, self->page + 7 };
	long pages;

	for (int i = 0; i < 4; i++) {
		ASSERT_EQ(0, load_pages_fd(self->fd, 0, 8, file, offsets[i], &pages));
		EXPECT_HOLDS(0, self->bytes + offsets[i]);
		EXPECT_HOLDS(7, self->bytes + offsets[i] + 7 * self->page);
	}
}

/* The page where the file ends, with zeroes behind the end. */
static const char *last_half(const char *bytes)
{
	char *page = calloc(1, page_size());

	return memcpy(page, bytes + WHOLE * page_size(), page_size() / 2);
}

TEST_F(load, reads_a_file_that_ends_inside_a_page)
{
	int file = new_source(self->bytes);
	long pages;

	ASSERT_EQ(0, used_before(self->a, self->fd, 0, 16, 0x55));
	ASSERT_EQ(0, load_pages_fd(self->fd, 0, WHOLE + 1, file, 0, &pages));
	EXPECT_EQ(WHOLE + 1, pages);
	EXPECT_HOLDS(WHOLE - 1, self->bytes + (WHOLE - 1) * self->page);
	EXPECT_HOLDS(WHOLE, last_half(self->bytes));
	EXPECT_BYTE(0x55, WHOLE + 1);
}

TEST_F(load, a_file_that_is_too_short_leaves_what_was_done)
{
	int file = new_source(self->bytes);
	long pages;

	ASSERT_EQ(0, used_before(self->a, self->fd, 0, 16, 0x55));
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, WHOLE + 4, file, 0, &pages),
		       "there is no more", ENODATA);
	EXPECT_EQ(WHOLE + 1, pages);
	EXPECT_HOLDS(0, self->bytes);
	EXPECT_HOLDS(WHOLE, last_half(self->bytes));
	EXPECT_BYTE(0x55, WHOLE + 1);
	EXPECT_BYTE(0x55, WHOLE + 3);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, file, (WHOLE + 1) * self->page,
				     &pages),
		       "behind its end", ENODATA);
	EXPECT_EQ(0, pages);
	EXPECT_HOLDS(0, self->bytes);
}

/* Ends inside a page, too, which finds the buffer of the kernel used. */
TEST_F(load, reads_a_file_that_is_larger_than_a_batch)
{
	const long last = 2 * BATCH + 9;
	int fd = new_sized_file((3 + last + 1) * self->page);
	int file = memfd_create("source", 0);
	char page[self->page];
	long pages;

	ASSERT_LE(0, fd);
	for (long i = 0; i < last; i++) {
		memset(page, 1 + i % 255, self->page);
		ASSERT_EQ(self->page, write(file, page, self->page));
	}
	ASSERT_EQ(self->page / 2, write(file, page, self->page / 2));
	ASSERT_EQ(0, load_pages_fd(fd, 3, 3 + last + 1, file, 0, &pages));
	EXPECT_EQ(last + 1, pages);
	for (long i = 0; i < last; i++) {
		ASSERT_EQ(1 + i % 255, look(self->a, fd, 3 + i))
			TH_LOG("page %ld", i);
	}
	memset(page + self->page / 2, 0, self->page / 2);
	EXPECT_EQ(1, holds(self->a, fd, 3 + last, page));
	close(fd);
	close(file);
}

TEST_F(load, reads_a_file_that_has_only_a_size)
{
	int file = memfd_create("source", 0);
	long pages;

	ASSERT_EQ(0, ftruncate(file, 16 * self->page));
	ASSERT_EQ(0, used_before(self->a, self->fd, 0, 16, 0x55));
	EXPECT_ALLOWED(load_pages_fd(self->fd, 0, 16, file, 0, &pages), "zeroes");
	EXPECT_EQ(16, pages);
	EXPECT_BYTE(0, 0);
	EXPECT_BYTE(0, 15);
	close(file);
}

TEST_F(load, refuses_what_cannot_be_read)
{
	int file = new_source(self->bytes);
	int pipes[2], other = new_sized_file(PAGES * self->page);
	char path[64];
	long pages;

	ASSERT_EQ(0, pipe(pipes));
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, pipes[0], 0, &pages),
		       "a pipe has no offsets", ESPIPE);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, pipes[1], 0, &pages),
		       "not open for reading", EBADF);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, open("/", O_RDONLY), 0, &pages),
		       "a folder", EISDIR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, open(path, O_WRONLY), 0, &pages),
		       "not open for reading", EBADF);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, open(path, O_PATH), 0, &pages),
		       "a path and no file", EBADF);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, open("/dev/zero", O_RDONLY), 0, &pages),
		       "a device that the kernel cannot read from", EINVAL);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, -1, 0, &pages), "no file", EBADF);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, 12345, 0, &pages), "no file", EBADF);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, self->fd, 0, &pages),
		       "the file itself", EINVAL);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 1, other, 0, &pages),
		       "a file that nobody reads", EINVAL);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(0, pages_of(other));
	close(other);
}

TEST_F(load, refuses_offsets_that_no_file_has)
{
	int file = new_source(self->bytes);
	const uint64_t offsets[] = { 1ULL << 63, UINT64_MAX, LLONG_MAX, LLONG_MAX & -self->page };
	long pages;

	for (int i = 0; i < 4; i++) {
		EXPECT_REFUSED(load_pages_fd(self->fd, 0, 8, file, offsets[i],
					     &pages),
			       "not an offset", EINVAL);
		EXPECT_EQ(0, pages);
	}
}

TEST_F(load, memory_that_is_bound_is_left_alone)
{
	int file = new_source(self->bytes);
	int id = rm_bind(self->a, self->fd, 7, 8, SHRD);
	long pages;

	ASSERT_LT(0, id);
	EXPECT_REFUSED(load_pages_fd(self->fd, 0, 8, file, 0, &pages),
		       "somebody uses it", EBUSY);
	EXPECT_EQ(0, pages);
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_ALLOWED(load_pages_fd(self->fd, 0, 7, file, 0, &pages), "nobody");
}

TEST_HARNESS_MAIN
