// SPDX-License-Identifier: GPL-2.0
/*
 * The memory of a restricted file, as far as its owner sees it: how it is
 * reserved, given back and counted. One test for each rule.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "files.h"
#include "test_consumer.h"

TEST_F(unsized, without_a_size_there_is_nothing_to_reserve)
{
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, page_size()),
		       "outside the size", EINVAL);
	EXPECT_EQ(0, size_of(self->fd));
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_ALLOWED(ftruncate(self->fd, page_size()), "the size was not set yet");
}

TEST_F(unsized, without_a_size_a_hole_is_clipped_to_nothing)
{
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, page_size()),
		       "clipped to the size, which is 0");
	EXPECT_ALLOWED(ftruncate(self->fd, page_size()), "the size was not set yet");
}

TEST_F(sized, reserve_takes_memory_and_keeps_the_size)
{
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 2 * self->page, 3 * self->page),
		       "inside the size");
	EXPECT_EQ(3, pages_of(self->fd));
	EXPECT_EQ(self->size, size_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 0, self->size), "all of it");
	EXPECT_EQ(PAGES, pages_of(self->fd));
	EXPECT_EQ(self->size, size_of(self->fd));
}

TEST_F(sized, reserve_again_changes_nothing)
{
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 0, 4 * self->page), "once");
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 0, 4 * self->page), "again");
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, self->page, self->page), "a part");
	EXPECT_EQ(4, pages_of(self->fd));
}

TEST_F(sized, reserve_ends_at_the_size)
{
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, self->size - self->page, self->page),
		       "the last page");
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, self->size, self->page),
		       "begins at the size", EINVAL);
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, self->size + self->page, self->page),
		       "begins after the size", EINVAL);
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, self->page, self->size),
		       "ends after the size", EINVAL);
	EXPECT_REFUSED(fallocate(self->fd, RESERVE, 0, last_page()),
		       "ends after the size", EINVAL);
	EXPECT_EQ(1, pages_of(self->fd))
		TH_LOG("what is refused takes nothing");
}

TEST_F(sized, fallocate_counts_in_pages)
{
	static const int modes[] = { RESERVE, PUNCH };
	off_t page = self->page;
	struct { off_t offset, len; } ranges[] = {
		{ 0, 1 }, { 0, page - 1 }, { 0, page + 1 },
		{ 1, 1 }, { 1, page - 1 }, { 1, page }, { 512, page },
		{ page, 1 }, { page - 1, page }, { page + 1, page },
		{ self->size - 1, 1 }, { self->size, 1 }, { self->size + 1, page },
	};
	unsigned int i, j;

	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 2 * page));
	for (i = 0; i < 2; i++) {
		for (j = 0; j < ARRAY_SIZE(ranges); j++) {
			EXPECT_REFUSED(fallocate(self->fd, modes[i], ranges[j].offset,
						 ranges[j].len),
				       "not aligned to pages", EINVAL);
			EXPECT_EQ(2, pages_of(self->fd))
				TH_LOG("mode %d, offset %ld, length %ld", modes[i],
				       (long)ranges[j].offset, (long)ranges[j].len);
		}
	}
}

TEST_F(sized, fallocate_of_nothing_or_before_the_file_is_refused)
{
	static const int modes[] = { RESERVE, PUNCH };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		EXPECT_REFUSED(fallocate(self->fd, modes[i], 0, 0), "length 0", EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], 0, -self->page),
			       "a negative length", EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], -self->page, self->page),
			       "a negative offset", EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], LLONG_MIN, self->page),
			       "a negative offset", EINVAL);
	}
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(sized, fallocate_does_not_wrap_around)
{
	static const int modes[] = { RESERVE, PUNCH };
	unsigned int i;

	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, self->size));
	for (i = 0; i < 2; i++) {
		EXPECT_REFUSED(fallocate(self->fd, modes[i], last_page(), self->page),
			       "ends at 2^63", EFBIG, EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], last_page(), last_page()),
			       "ends beyond 2^63", EFBIG, EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], self->page, last_page()),
			       "ends at 2^63", EFBIG, EINVAL);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], LLONG_MAX, LLONG_MAX),
			       "ends beyond 2^63", EFBIG, EINVAL);
	}
	EXPECT_EQ(PAGES, pages_of(self->fd));
}

TEST_F(sized, fallocate_has_no_other_modes)
{
	static const int modes[] = {
		0,			/* would change the size */
		FALLOC_FL_PUNCH_HOLE,	/* needs KEEP_SIZE */
		FALLOC_FL_COLLAPSE_RANGE,
		FALLOC_FL_INSERT_RANGE,
		FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_UNSHARE_RANGE,
		FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_NO_HIDE_STALE,
		FALLOC_FL_NO_HIDE_STALE | FALLOC_FL_KEEP_SIZE,
#ifdef FALLOC_FL_WRITE_ZEROES
		FALLOC_FL_WRITE_ZEROES,
		FALLOC_FL_WRITE_ZEROES | FALLOC_FL_KEEP_SIZE,
#endif
		FALLOC_FL_ZERO_RANGE | PUNCH,
		FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE,
		0x40000000,
		0x40000000 | FALLOC_FL_KEEP_SIZE,
	};
	unsigned int i;
	char rule[32];

	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 2 * self->page));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		snprintf(rule, sizeof(rule), "mode 0x%x", modes[i]);
		EXPECT_REFUSED(fallocate(self->fd, modes[i], self->page, self->page),
			       rule, EOPNOTSUPP);
		EXPECT_EQ(2, pages_of(self->fd));
		EXPECT_EQ(self->size, size_of(self->fd));
	}
}

TEST_F(sized, punch_gives_memory_back)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, self->size));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, self->page, self->page), "one page");
	EXPECT_EQ(PAGES - 1, pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, 4 * self->page), "with a hole in it");
	EXPECT_EQ(PAGES - 4, pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, self->size), "the rest");
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(self->size, size_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, self->page, self->page),
		       "what was punched can be reserved again");
	EXPECT_EQ(1, pages_of(self->fd));
}

TEST_F(sized, punch_where_nothing_is_takes_nothing)
{
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, self->size), "nothing is there");
	EXPECT_EQ(0, pages_of(self->fd));
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, self->page));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, self->page, self->page),
		       "nothing is there");
	EXPECT_EQ(1, pages_of(self->fd));
}

TEST_F(sized, punch_is_clipped_to_the_size)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, self->size));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, self->size, self->page),
		       "begins at the size");
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, self->size + self->page, self->page),
		       "begins after the size");
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, last_page() - self->page, self->page),
		       "begins far after the size");
	EXPECT_EQ(PAGES, pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, self->size - self->page, 2 * self->page),
		       "ends after the size");
	EXPECT_EQ(PAGES - 1, pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, last_page()),
		       "ends far after the size");
	EXPECT_EQ(0, pages_of(self->fd));
	EXPECT_EQ(self->size, size_of(self->fd));
}

/* Who gets signals all the time, from a profiler for instance, would never get on. */
TEST_F_TIMEOUT(unsized, a_reserve_that_works_is_not_interrupted, 120)
{
	struct sigaction action = { .sa_handler = count_signal };
	struct itimerval timer = { { .tv_usec = 1000 }, { .tv_usec = 1000 } };
	off_t size = 64UL << 20;
	int before = signals;

	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	ASSERT_EQ(0, ftruncate(self->fd, size));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_EQ(0, fallocate(self->fd, RESERVE, 0, size));
	timer = (struct itimerval) {};
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &timer, NULL));
	EXPECT_LT(before, signals);
	EXPECT_EQ(size / page_size(), pages_of(self->fd));
}

TEST_F_TIMEOUT(unsized, a_killed_reserve_leaves_all_or_nothing, 120)
{
	off_t size = 192UL << 20;
	pid_t child;
	long pages;

	ASSERT_EQ(0, ftruncate(self->fd, size));
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, page_size()));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(fallocate(self->fd, RESERVE, 0, size) ? errno : 0);
	usleep(5000);
	kill(child, SIGKILL);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	pages = pages_of(self->fd);
	EXPECT_TRUE(pages == 1 || pages == size / page_size())
		TH_LOG("%ld pages are left", pages);
}

TEST_F(unsized, there_is_no_data_in_an_empty_file)
{
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_DATA), "at the size", ENXIO);
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_HOLE), "at the size", ENXIO);
}

TEST_F(sized, seek_finds_a_hole_where_nothing_is_present)
{
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_DATA), "nothing is present", ENXIO);
	EXPECT_EQ(0, lseek(self->fd, 0, SEEK_HOLE));
	EXPECT_EQ(self->page, lseek(self->fd, self->page, SEEK_HOLE));
	EXPECT_EQ(self->size - 1, lseek(self->fd, self->size - 1, SEEK_HOLE));
}

TEST_F(sized, memory_that_is_only_reserved_is_not_present)
{
	ASSERT_EQ(0, fallocate(self->fd, RESERVE, self->page, 2 * self->page));
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_DATA), "nothing is present", ENXIO);
	EXPECT_EQ(self->page, lseek(self->fd, self->page, SEEK_HOLE));
}

TEST_F(sized, seek_ends_at_the_size)
{
	static const int whences[] = { SEEK_DATA, SEEK_HOLE };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		EXPECT_REFUSED(lseek(self->fd, self->size, whences[i]), "at the size", ENXIO);
		EXPECT_REFUSED(lseek(self->fd, LLONG_MAX, whences[i]), "after the size",
			       ENXIO);
		EXPECT_REFUSED(lseek(self->fd, -1, whences[i]), "before the file", ENXIO);
		EXPECT_REFUSED(lseek(self->fd, -self->page, whences[i]), "before the file",
			       ENXIO);
		EXPECT_REFUSED(lseek(self->fd, LLONG_MIN, whences[i]), "before the file",
			       ENXIO);
	}
}

TEST_F(sized, seek_knows_no_other_whence)
{
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_HOLE + 1), "not a whence", EINVAL);
	EXPECT_REFUSED(lseek(self->fd, 0, -1), "not a whence", EINVAL);
}

TEST_F(sized, there_are_no_positions)
{
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_SET), "a position", EINVAL, ESPIPE);
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_CUR), "a position", EINVAL, ESPIPE);
	EXPECT_REFUSED(lseek(self->fd, 0, SEEK_END), "a position", EINVAL, ESPIPE);
	EXPECT_REFUSED(lseek(self->fd, self->page, SEEK_SET), "a position", EINVAL, ESPIPE);
	EXPECT_REFUSED(lseek(self->fd, -1, SEEK_END), "a position", EINVAL, ESPIPE);
}

TEST_F(sized, rlimit_fsize_does_not_limit_memory)
{
	struct rlimit limit = { self->page, self->page };

	signal(SIGXFSZ, count_signal);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, 0, self->size),
		       "RLIMIT_FSIZE limits the size and nothing else");
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, self->size),
		       "RLIMIT_FSIZE limits the size and nothing else");
	EXPECT_EQ(0, signals);
}

TEST_HARNESS_MAIN
