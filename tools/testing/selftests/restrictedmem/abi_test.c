// SPDX-License-Identifier: GPL-2.0
/*
 * memfd_restricted(): the call, and the size, attributes and descriptors of the
 * file. One test for each rule.
 */
#include <ctype.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <linux/magic.h>

#include "files.h"

/* What the running kernel may know; the rest must be refused. */
static const unsigned int known_flags = RMFD_CLOEXEC
#ifdef RMFD_HUGEPAGE
	| RMFD_HUGEPAGE
#endif
#ifdef RMFD_USERMNT
	| RMFD_USERMNT
#endif
	;

/* This program again, to see which descriptors an exec leaves. */
static int run_check_fd(int fd)
{
	char number[16];
	pid_t child;
	int status;

	snprintf(number, sizeof(number), "%d", fd);
	child = fork();
	if (!child) {
		execl("/proc/self/exe", "abi_test", "--check-fd", number, NULL);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The call and its descriptor */

TEST_F(unsized, flags_that_nobody_defined_are_refused)
{
	unsigned int flag;
	char rule[64];

	for (flag = 1; flag; flag <<= 1) {
		if (known_flags & flag)
			continue;
		snprintf(rule, sizeof(rule), "unknown flag 0x%x", flag);
		EXPECT_REFUSED(memfd_restricted(flag, -1), rule, EINVAL);
		EXPECT_REFUSED(memfd_restricted(flag | RMFD_CLOEXEC, -1), rule, EINVAL);
	}
	EXPECT_REFUSED(memfd_restricted(~0U, -1), "all flags", EINVAL);
}

/* Registers have 64 bits. What is in the rest of them is not ours to complain of. */
TEST_F(unsized, flags_have_32_bits)
{
	EXPECT_ALLOWED(syscall(__NR_memfd_restricted, 1UL << 32, -1), "no flag at all");
	EXPECT_REFUSED(syscall(__NR_memfd_restricted, 1UL << 32 | 1UL << 31, -1),
		       "an unknown flag and more", EINVAL);
}

TEST_F(unsized, the_second_argument_is_not_looked_at)
{
	static const int values[] = { -1, 0, 1, 12345, INT_MAX, INT_MIN, AT_FDCWD };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		EXPECT_ALLOWED(memfd_restricted(0, values[i]),
			       "mount_fd counts only with a flag that says so");
}

TEST_F(unsized, needs_no_privilege)
{
	if (geteuid() == 0)
		ASSERT_EQ(0, become_nobody());
	EXPECT_ALLOWED(memfd_restricted(0, -1), "nobody in particular may call it");
}

/* That of the kernel; the one of the C library is 0. */
#ifdef __aarch64__
#define KERNEL_O_LARGEFILE 0400000
#else
#define KERNEL_O_LARGEFILE 0100000
#endif

TEST_F(unsized, is_open_for_reading_and_writing)
{
	int flags = fcntl(self->fd, F_GETFL);

	EXPECT_EQ(O_RDWR, flags & O_ACCMODE);
	EXPECT_EQ(0, flags & ~(O_ACCMODE | KERNEL_O_LARGEFILE))
		TH_LOG("F_GETFL 0x%x", flags);
}

TEST_F(unsized, each_call_makes_a_file_of_its_own)
{
	struct stat one, other;
	int fd = memfd_restricted(0, -1);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fstat(self->fd, &one));
	ASSERT_EQ(0, fstat(fd, &other));
	EXPECT_EQ(one.st_dev, other.st_dev);
	EXPECT_NE(one.st_ino, other.st_ino);
	ASSERT_EQ(0, ftruncate(fd, page_size()));
	EXPECT_EQ(0, size_of(self->fd));
}

TEST_F(unsized, stays_open_on_exec_by_default)
{
	EXPECT_EQ(0, fcntl(self->fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(0, run_check_fd(self->fd))
		TH_LOG("without RMFD_CLOEXEC the program sees the descriptor");
}

TEST_F(unsized, cloexec_closes_on_exec)
{
	int fd = memfd_restricted(RMFD_CLOEXEC, -1);

	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD) & FD_CLOEXEC);
	EXPECT_EQ(EBADF, run_check_fd(fd))
		TH_LOG("with RMFD_CLOEXEC the program does not see the descriptor");
}

TEST_F(unsized, emfile_leaks_nothing)
{
	struct rlimit limit = { .rlim_max = 4096 };
	const int rounds = 4000;
	long long before, after;
	int i;

	limit.rlim_cur = self->fd + 2;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	before = read_number("/proc/sys/fs/file-nr");
	ASSERT_LE(0, before);
	limit.rlim_cur = self->fd + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	for (i = 0; i < rounds; i++)
		EXPECT_REFUSED(memfd_restricted(0, -1),
			       "no descriptor is free", EMFILE);
	limit.rlim_cur = self->fd + 2;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	after = read_number("/proc/sys/fs/file-nr");
	EXPECT_LT(after, before + rounds / 2)
		TH_LOG("%lld open files before, %lld after", before, after);
	EXPECT_EQ(self->fd + 1, memfd_restricted(0, -1))
		TH_LOG("the lowest free descriptor");
}

/* Whoever guesses the number of the next descriptor, and what came of it. */
static struct {
	pthread_t thread;
	int fd;			/* the guess */
	int null;
	bool over;
	long hits, taken;	/* it was there, it was about to be there */
	int strange;
} guess;

static void guess_expect(bool right, const char *what)
{
	if (!right && !guess.strange++)
		fprintf(stderr, "# %s: %s\n", what, strerror(errno));
}

static void *guess_thread(void *arg)
{
	int fd = guess.fd;
	struct stat st;

	while (!__atomic_load_n(&guess.over, __ATOMIC_RELAXED)) {
		/* The file may be another one, or none, at each line. */
		guess_expect(!ftruncate(fd, page_size()) || error_in(errno, EBADF, EPERM, 0),
			     "ftruncate");
		guess_expect(!fallocate(fd, RESERVE, 0, page_size()) ||
			     error_in(errno, EBADF, EINVAL, 0), "fallocate");
		guess_expect(lseek(fd, 0, SEEK_DATA) < 0 && error_in(errno, EBADF, ENXIO, 0),
			     "lseek");
		if (!fstat(fd, &st)) {
			guess_expect(S_ISREG(st.st_mode) && st.st_blksize == page_size(),
				     "fstat");
			guess.hits++;
		}
		if (dup2(guess.null, fd) < 0) {
			guess_expect(errno == EBUSY, "dup2");
			guess.taken++;
		}
		close(fd);
	}
	return NULL;
}

/*
 * A descriptor appears when its file is complete, so whoever uses or replaces it
 * before the call has even returned finds a whole file or none.
 */
TEST_F_TIMEOUT(unsized, a_descriptor_that_is_guessed_is_whole, 240)
{
	guess.null = open("/dev/null", O_RDONLY);
	ASSERT_LE(0, guess.null);
	guess.fd = guess.null + 1;
	ASSERT_EQ(0, pthread_create(&guess.thread, NULL, guess_thread, NULL));
	for (int i = 0; i < 20000 && __atomic_load_n(&guess.hits, __ATOMIC_RELAXED) < 50; i++) {
		int fd = memfd_restricted(0, -1);

		ASSERT_LE(guess.fd, fd);
		/* The other one may have closed it. */
		close(fd);
	}
	__atomic_store_n(&guess.over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(guess.thread, NULL));
	EXPECT_EQ(0, guess.strange);
	EXPECT_LT(0, guess.hits);
	TH_LOG("there %ld times, about to be there %ld times", guess.hits, guess.taken);
}

/* Its size */

TEST_F(unsized, starts_empty)
{
	EXPECT_EQ(0, size_of(self->fd));
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(unsized, ftruncate_sets_the_size)
{
	EXPECT_EQ(0, ftruncate(self->fd, 3 * page_size()));
	EXPECT_EQ(3 * page_size(), size_of(self->fd));
	EXPECT_EQ(0, pages_of(self->fd))
		TH_LOG("a size takes no memory");
}

TEST_F(unsized, size_zero_is_refused_and_does_not_count)
{
	EXPECT_REFUSED(ftruncate(self->fd, 0), "size 0", EINVAL);
	EXPECT_ALLOWED(ftruncate(self->fd, page_size()), "the size was not set yet");
	EXPECT_EQ(page_size(), size_of(self->fd));
}

TEST_F(unsized, unaligned_sizes_are_refused_and_do_not_count)
{
	off_t page = page_size();
	off_t sizes[] = { 1, 512, page - 1, page + 1, 2 * page - 1, LLONG_MAX };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_REFUSED(ftruncate(self->fd, sizes[i]),
			       "a size that is not a multiple of the page size",
			       EINVAL, EFBIG);
		EXPECT_EQ(0, size_of(self->fd));
	}
	EXPECT_ALLOWED(ftruncate(self->fd, page), "the size was not set yet");
}

TEST_F(unsized, negative_sizes_are_refused_and_do_not_count)
{
	EXPECT_REFUSED(ftruncate(self->fd, -1), "size -1", EINVAL);
	EXPECT_REFUSED(ftruncate(self->fd, -page_size()), "a negative size", EINVAL);
	EXPECT_REFUSED(ftruncate(self->fd, LLONG_MIN), "a negative size", EINVAL);
	EXPECT_ALLOWED(ftruncate(self->fd, page_size()), "the size was not set yet");
}

/* Whether the largest size is possible is for the kernel to say, but cleanly. */
TEST_F(unsized, the_largest_size_is_possible_or_changes_nothing)
{
	off_t page = page_size();

	if (ftruncate(self->fd, last_page())) {
		EXPECT_TRUE(error_in(errno, EFBIG, EINVAL, 0));
		EXPECT_EQ(0, size_of(self->fd));
		EXPECT_ALLOWED(ftruncate(self->fd, page), "the size was not set yet");
		return;
	}
	EXPECT_EQ(last_page(), size_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, RESERVE, last_page() - page, page),
		       "the last page is a page as any other");
	EXPECT_EQ(1, pages_of(self->fd));
	EXPECT_ALLOWED(fallocate(self->fd, PUNCH, 0, LLONG_MAX & ~(page - 1)),
		       "a hole as large as the file");
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_F(sized, the_size_is_set_once)
{
	off_t sizes[] = { self->size, self->page, 2 * self->size, last_page() };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_REFUSED(ftruncate(self->fd, sizes[i]),
			       "the size was set before", EPERM);
		EXPECT_EQ(self->size, size_of(self->fd));
	}
	EXPECT_REFUSED(ftruncate(self->fd, 0),
		       "neither a size nor allowed any more", EPERM, EINVAL);
	EXPECT_REFUSED(ftruncate(self->fd, 1),
		       "neither a size nor allowed any more", EPERM, EINVAL);
	EXPECT_EQ(self->size, size_of(self->fd));
}

TEST_F(sized, the_size_stays_for_other_descriptors_and_by_path)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_REFUSED(ftruncate(dup(self->fd), self->page),
		       "the size was set before", EPERM);
	EXPECT_REFUSED(truncate(path, self->page),
		       "the size was set before", EPERM, EACCES, ENXIO, EINVAL);
	EXPECT_EQ(self->size, size_of(self->fd));
}

static struct {
	pthread_barrier_t barrier;
	int fd;
} race;

static void *race_ftruncate(void *size)
{
	pthread_barrier_wait(&race.barrier);
	return (void *)(long)(ftruncate(race.fd, (long)size) ? errno : 0);
}

TEST_F(unsized, of_two_threads_that_set_the_size_exactly_one_wins)
{
	const int rounds = 300;
	off_t page = page_size();
	int i, wins[2] = { 0, 0 };

	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 2));
	for (i = 0; i < rounds; i++) {
		void *mine, *theirs;
		pthread_t thread;

		race.fd = memfd_restricted(0, -1);
		ASSERT_LE(0, race.fd);
		ASSERT_EQ(0, pthread_create(&thread, NULL, race_ftruncate,
					    (void *)(2 * page)));
		mine = race_ftruncate((void *)(3 * page));
		ASSERT_EQ(0, pthread_join(thread, &theirs));
		if (!mine) {
			wins[0]++;
			ASSERT_EQ(EPERM, (long)theirs);
			ASSERT_EQ(3 * page, size_of(race.fd));
		} else {
			wins[1]++;
			ASSERT_EQ(EPERM, (long)mine);
			ASSERT_EQ(0, (long)theirs);
			ASSERT_EQ(2 * page, size_of(race.fd));
		}
		close(race.fd);
	}
	TH_LOG("%d and %d times", wins[0], wins[1]);
}

TEST_F(unsized, rlimit_fsize_limits_the_size)
{
	struct rlimit limit = { 4 * page_size(), 4 * page_size() };

	signal(SIGXFSZ, count_signal);
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &limit));
	EXPECT_REFUSED(ftruncate(self->fd, 5 * page_size()),
		       "a size above RLIMIT_FSIZE", EFBIG);
	EXPECT_EQ(1, signals)
		TH_LOG("and SIGXFSZ, as for any file");
	EXPECT_EQ(0, size_of(self->fd));
	EXPECT_ALLOWED(ftruncate(self->fd, 4 * page_size()),
		       "a size at RLIMIT_FSIZE, and the size was not set yet");
}

/* Its attributes */

TEST_F(sized, fstat_shows_a_regular_file_of_its_owner)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(S_ISREG(st.st_mode));
	EXPECT_EQ(0, st.st_mode & 0111)
		TH_LOG("not to be executed: mode %o", st.st_mode);
	EXPECT_EQ(geteuid(), st.st_uid);
	EXPECT_EQ(getegid(), st.st_gid);
	EXPECT_EQ(self->page, st.st_blksize);
}

TEST_F(sized, statx_agrees_with_fstat)
{
	struct statx stx;
	struct stat st;

	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 5 * self->page));
	ASSERT_EQ(0, fstat(self->fd, &st));
	ASSERT_EQ(0, statx(self->fd, "", AT_EMPTY_PATH, ~STATX__RESERVED, &stx));
	EXPECT_EQ(STATX_BASIC_STATS, stx.stx_mask & STATX_BASIC_STATS);
	EXPECT_EQ((__u64)self->size, stx.stx_size);
	EXPECT_EQ(5 * self->page / 512, stx.stx_blocks);
	EXPECT_EQ(st.st_ino, stx.stx_ino);
	EXPECT_EQ(st.st_mode, stx.stx_mode);
}

TEST_F(sized, does_not_pass_for_tmpfs)
{
	struct statfs st;

	ASSERT_EQ(0, fstatfs(self->fd, &st));
	EXPECT_NE(TMPFS_MAGIC, st.f_type);
	EXPECT_NE(HUGETLBFS_MAGIC, st.f_type);
}

TEST_F(sized, mode_is_fixed)
{
	struct stat before, after;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_EQ(0, fstat(self->fd, &before));
	EXPECT_REFUSED(fchmod(self->fd, 0777), "chmod", EPERM);
	EXPECT_REFUSED(fchmod(self->fd, before.st_mode & 07777), "chmod", EPERM);
	EXPECT_REFUSED(chmod(path, 0777), "chmod by path", EPERM);
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_EQ(before.st_mode, after.st_mode);
}

TEST_F(sized, owner_is_fixed)
{
	struct stat before, after;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_EQ(0, fstat(self->fd, &before));
	EXPECT_REFUSED(fchown(self->fd, NOBODY, -1), "chown", EPERM);
	EXPECT_REFUSED(fchown(self->fd, -1, NOBODY), "chown", EPERM);
	EXPECT_REFUSED(fchown(self->fd, geteuid(), getegid()), "chown", EPERM);
	EXPECT_REFUSED(chown(path, NOBODY, NOBODY), "chown by path", EPERM);
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_EQ(before.st_uid, after.st_uid);
	EXPECT_EQ(before.st_gid, after.st_gid);
}

TEST_F(sized, times_are_not_the_owners_to_set)
{
	struct timespec times[2] = { { 1, 0 }, { 1, 0 } };
	struct stat before, after;

	ASSERT_EQ(0, fstat(self->fd, &before));
	EXPECT_REFUSED(futimens(self->fd, times), "utimes", EPERM);
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_EQ(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	EXPECT_EQ(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

TEST_F(sized, has_no_extended_attributes)
{
	char value[64];

	EXPECT_REFUSED(fsetxattr(self->fd, "user.test", "x", 1, 0),
		       "setxattr", EOPNOTSUPP, EPERM);
	EXPECT_REFUSED(fsetxattr(self->fd, "trusted.test", "x", 1, 0),
		       "setxattr", EOPNOTSUPP, EPERM);
	EXPECT_REFUSED(fgetxattr(self->fd, "user.test", value, sizeof(value)),
		       "getxattr", EOPNOTSUPP, ENODATA);
}

TEST_F(sized, has_no_direct_io)
{
	EXPECT_REFUSED(fcntl(self->fd, F_SETFL, O_DIRECT), "O_DIRECT", EINVAL);
	EXPECT_EQ(0, fcntl(self->fd, F_GETFL) & O_DIRECT);
}

/* No more than this many digits of a hexadecimal number in a row. */
static int hex_digits(const char *text)
{
	int longest = 0, length = 0;

	for (; *text; text++) {
		length = isxdigit(*text) ? length + 1 : 0;
		if (length > longest)
			longest = length;
	}
	return longest;
}

TEST_F(sized, its_name_tells_no_kernel_address)
{
	char path[64], text[256] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	ASSERT_LT(0, readlink(path, text, sizeof(text) - 1));
	EXPECT_GT(9, hex_digits(text))
		TH_LOG("%s", text);
}

TEST_F(sized, fdinfo_tells_size_and_memory)
{
	char path[64];

	ASSERT_EQ(0, fallocate(self->fd, RESERVE, 0, 5 * self->page));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	EXPECT_EQ(self->size / 1024, read_key(path, "size:"));
	EXPECT_EQ(5 * self->page / 1024, read_key(path, "memory:"));
	EXPECT_EQ(0, read_key(path, "quarantined:"));
}

TEST_F(sized, fdinfo_tells_no_kernel_address)
{
	char path[64], text[4096] = "", *found;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	len = read(fd, text, sizeof(text) - 1);
	ASSERT_LT(0, len);
	for (found = text; (found = strstr(found, "ffff")); found++)
		EXPECT_GT(12, hex_digits(found))
			TH_LOG("%s", text);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--check-fd"))
		return fcntl(atoi(argv[2]), F_GETFD) < 0 ? errno : 0;
	return test_harness_run(argc, argv);
}
