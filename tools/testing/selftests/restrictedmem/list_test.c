// SPDX-License-Identifier: GPL-2.0
/*
 * The list of all restricted files, in debugfs.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "test_consumer.h"
#include "text.h"

#define PAGES 64
#define EXCL RMTEST_EXCLUSIVE
#define SHRD RMTEST_SHARED
#define ORDER 9
#define LARGE 512

#define LIST "/sys/kernel/debug/restrictedmem/files"

/* What one line tells. */
struct line {
	unsigned long long ino, size, memory, large, quarantined, bindings, uid, pid;
	char comm[64];
};

static bool parse(const char *text, struct line *line)
{
	int fields = sscanf(text, "%llu %llu %llu %llu %llu %llu %llu %llu %63[^\n]",
			    &line->ino, &line->size, &line->memory, &line->large,
			    &line->quarantined, &line->bindings, &line->uid,
			    &line->pid, line->comm);

	return fields == 9;
}

/* How many lines there are for an inode; the last one of them. */
static int listed(unsigned long long ino, struct line *line)
{
	char *text = read_text(LIST);
	struct line one;
	int found = 0;

	for (char *at = text; at && *at; at = strchr(at, '\n') + 1) {
		if (!parse(at, &one) || one.ino != ino)
			continue;
		*line = one;
		found++;
	}
	free(text);
	return text ? found : -1;
}

static unsigned long long number_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* Pages in kB. */
static unsigned long long kb(long pages)
{
	return pages * page_size() / 1024;
}

/* A file that somebody else looks at is freed when they have done so. */
static bool gone(unsigned long long ino)
{
	struct line line;

	for (int ms = 0; ms < 20000; ms += 5) {
		if (!listed(ino, &line))
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

FIXTURE(list) {
	int fd, a;
	unsigned long long ino;
};

FIXTURE_SETUP(list)
{
	if (access(LIST, F_OK))
		SKIP(return, "there is no " LIST);
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->a = new_consumer();
	ASSERT_LE(0, self->a);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->ino = number_of(self->fd);
	ASSERT_NE(0, self->ino);
}

FIXTURE_TEARDOWN(list)
{
	close(self->a);
	close(self->fd);
}

TEST_F(list, has_a_file_while_it_lives)
{
	struct line line;

	EXPECT_EQ(1, listed(self->ino, &line));
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(gone(self->ino));
}

TEST_F(list, has_a_file_that_only_a_consumer_holds)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	struct line line;

	close(self->fd);
	self->fd = -1;
	EXPECT_EQ(1, listed(self->ino, &line))
		TH_LOG("this is where memory hides");
	ASSERT_EQ(0, rm_unbind(self->a, id));
	EXPECT_TRUE(gone(self->ino));
}

TEST_F(list, forgets_a_file_whose_memory_is_lost)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);

	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	ASSERT_EQ(3, rm_quarantine(self->a, id, 2, 5));
	ASSERT_EQ(0, rm_unbind(self->a, id));
	close(self->fd);
	self->fd = -1;
	EXPECT_TRUE(gone(self->ino));
}

static struct {
	pthread_barrier_t barrier;
	int fd, consumer, id;
} race;

static void *race_unbind(void *arg)
{
	pthread_barrier_wait(&race.barrier);
	return (void *)(long)(rm_unbind(race.consumer, race.id) ? errno : 0);
}

/* By the very descriptor that is being closed: the last to use the file may be this. */
static void *race_punch(void *arg)
{
	pthread_barrier_wait(&race.barrier);
	return (void *)(long)(punch(race.fd, 0, PAGES) ? errno : 0);
}

TEST_F_TIMEOUT(list, forgets_a_file_of_which_all_let_go_at_once, 120)
{
	int late = 0;

	race.consumer = self->a;
	ASSERT_EQ(0, pthread_barrier_init(&race.barrier, NULL, 3));
	for (int i = 0; i < 300; i++) {
		void *unbound, *punched;
		unsigned long long ino;
		pthread_t threads[2];

		race.fd = new_sized_file(PAGES * page_size());
		ino = number_of(race.fd);
		ASSERT_NE(0, ino);
		race.id = rm_bind(race.consumer, race.fd, 0, 8, SHRD);
		ASSERT_LT(0, rm_get_range(race.consumer, race.id, 0, 8));
		ASSERT_EQ(0, pthread_create(&threads[0], NULL, race_unbind, NULL));
		ASSERT_EQ(0, pthread_create(&threads[1], NULL, race_punch, NULL));
		pthread_barrier_wait(&race.barrier);
		ASSERT_EQ(0, close(race.fd));
		ASSERT_EQ(0, pthread_join(threads[0], &unbound));
		ASSERT_EQ(0, pthread_join(threads[1], &punched));
		ASSERT_EQ(0, (long)unbound);
		if ((long)punched) {
			ASSERT_EQ(EBADF, (long)punched);
			late++;
		}
		ASSERT_TRUE(gone(ino))
			TH_LOG("round %d", i);
	}
	EXPECT_EQ(0, rm_counters(self->a).bindings);
	EXPECT_EQ(rm_counters(self->a).starts, rm_counters(self->a).ends);
	TH_LOG("%d holes were too late", late);
}

TEST_F(list, tells_what_a_file_has)
{
	int id = rm_bind(self->a, self->fd, 0, 8, SHRD);
	char comm[17] = "";
	struct line line;

	ASSERT_EQ(0, prctl(PR_GET_NAME, comm));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 8, 16, EXCL));
	ASSERT_LT(0, rm_get_range(self->a, id, 0, 8));
	ASSERT_EQ(3, rm_quarantine(self->a, id, 0, 3));
	ASSERT_EQ(0, reserve(self->fd, 32, 34));

	ASSERT_EQ(1, listed(self->ino, &line));
	EXPECT_EQ(kb(PAGES), line.size);
	EXPECT_EQ(kb(5 + 2), line.memory);
	EXPECT_EQ(kb(3), line.quarantined);
	EXPECT_EQ(2, line.bindings);
	EXPECT_EQ(0, line.uid);
	EXPECT_EQ(getpid(), line.pid);
	EXPECT_STREQ(comm, line.comm);

	ASSERT_EQ(0, rm_unbind(self->a, id));
	ASSERT_EQ(1, listed(self->ino, &line));
	EXPECT_EQ(1, line.bindings);
}

TEST_F(list, tells_how_much_is_large)
{
	int fd = new_sized_file(2 * LARGE * page_size());
	int id = rm_bind(self->a, fd, 0, 2 * LARGE, SHRD);
	char policy[32];
	struct line line;
	int order;

	ASSERT_LT(0, id);
	if (!want_large(policy, sizeof(policy)))
		SKIP(return, "cannot change " LARGE_POLICY);
	order = rm_order(self->a, id, 0);
	ASSERT_EQ(0, write_text(LARGE_POLICY, policy));
	if (order != ORDER)
		SKIP(return, "no large folio to be had");

	ASSERT_LT(0, rm_get(self->a, id, LARGE));
	ASSERT_EQ(1, listed(number_of(fd), &line));
	EXPECT_EQ(kb(LARGE), line.large);
	EXPECT_EQ(kb(LARGE + 1), line.memory);
	close(fd);
}

TEST_F(list, tells_who_made_a_file)
{
	unsigned long long ino = 0;
	int made[2], seen[2];
	struct line line;
	pid_t child;

	ASSERT_EQ(0, pipe(made));
	ASSERT_EQ(0, pipe(seen));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(seen[1]);
		if (become_nobody() || prctl(PR_SET_NAME, "not a\nprogram"))
			_exit(1);
		ino = number_of(memfd_restricted(0, -1));
		prctl(PR_SET_NAME, "another");
		if (write(made[1], &ino, sizeof(ino)) != sizeof(ino))
			_exit(2);
		_exit(read(seen[0], &ino, 1) ? 3 : 0);
	}
	ASSERT_EQ(sizeof(ino), read(made[0], &ino, sizeof(ino)));
	ASSERT_NE(0, ino);
	ASSERT_EQ(1, listed(ino, &line));
	EXPECT_EQ(NOBODY, line.uid);
	EXPECT_EQ(child, line.pid);
	EXPECT_STREQ("not a\\x0aprogram", line.comm);
	EXPECT_EQ(0, line.size);
	close(seen[1]);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	EXPECT_TRUE(gone(ino));
}

TEST_F(list, is_for_root_only)
{
	struct stat st;
	pid_t child;
	int status;

	ASSERT_EQ(0, stat(LIST, &st));
	EXPECT_EQ(0400, st.st_mode & 07777);
	EXPECT_EQ(0, st.st_uid);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (become_nobody())
			_exit(255);
		_exit(open(LIST, O_RDONLY) < 0 ? errno : 0);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(EACCES, WEXITSTATUS(status));
}

TEST_F(list, adds_up)
{
	struct line line, sum = {}, total = {};
	int others[8], files = 0, fields;
	unsigned long long said = 0;
	char *text;

	ASSERT_EQ(0, reserve(self->fd, 0, 7));
	ASSERT_LT(0, rm_bind(self->a, self->fd, 0, 8, SHRD));
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
		others[i] = new_sized_file((i + 1) * page_size());
		ASSERT_LE(0, others[i]);
		ASSERT_EQ(0, reserve(others[i], i / 2, i + 1));
		ASSERT_LT(0, rm_bind(self->a, others[i], 0, 1, SHRD));
	}

	text = read_text(LIST);
	ASSERT_NE(NULL, text);
	for (char *at = text; *at; at = strchr(at, '\n') + 1) {
		if (!parse(at, &line))
			continue;
		sum.size += line.size;
		sum.memory += line.memory;
		sum.large += line.large;
		sum.quarantined += line.quarantined;
		sum.bindings += line.bindings;
		files++;
	}
	ASSERT_NE(NULL, strstr(text, " total "));
	fields = sscanf(strstr(text, " total "),
			" total %llu %llu %llu %llu %llu %llu files\n", &total.size,
			&total.memory, &total.large, &total.quarantined,
			&total.bindings, &said);
	EXPECT_EQ(6, fields);
	EXPECT_LE(1 + ARRAY_SIZE(others), files);
	EXPECT_EQ(files, said);
	EXPECT_EQ(sum.size, total.size);
	EXPECT_EQ(sum.memory, total.memory);
	EXPECT_EQ(sum.large, total.large);
	EXPECT_EQ(sum.quarantined, total.quarantined);
	EXPECT_EQ(sum.bindings, total.bindings);
	EXPECT_LE(1 + ARRAY_SIZE(others), total.bindings);
	free(text);
	for (unsigned int i = 0; i < ARRAY_SIZE(others); i++)
		close(others[i]);
}

TEST_F_TIMEOUT(list, many_files_in_full, 120)
{
	static unsigned long long inos[300];
	static int fds[300];
	struct line line;
	char *text;
	int found = 0;

	for (int i = 0; i < 300; i++) {
		fds[i] = new_sized_file(page_size());
		ASSERT_LE(0, fds[i]);
		inos[i] = number_of(fds[i]);
	}
	text = read_text(LIST);
	ASSERT_NE(NULL, text);
	for (char *at = text; *at; at = strchr(at, '\n') + 1) {
		if (!parse(at, &line))
			continue;
		for (int i = 0; i < 300; i++)
			found += line.ino == inos[i];
	}
	EXPECT_EQ(300, found)
		TH_LOG("each of them once");
	free(text);
	for (int i = 0; i < 300; i++)
		close(fds[i]);
}

static bool over;

/* Makes files that come and go. */
static void *make(void *arg)
{
	int consumer = new_consumer();

	while (!__atomic_load_n(&over, __ATOMIC_RELAXED)) {
		int fd = new_sized_file(PAGES * page_size());
		int id = rm_bind(consumer, fd, 0, 8, SHRD);

		rm_get(consumer, id, 0);
		close(fd);
		rm_unbind(consumer, id);
	}
	close(consumer);
	return NULL;
}

TEST_F_TIMEOUT(list, while_files_come_and_go, 120)
{
	pthread_t threads[2];
	struct line line;

	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, make, NULL));
	for (int i = 0; i < 100; i++) {
		EXPECT_EQ(1, listed(self->ino, &line))
			TH_LOG("one that stays is always there");
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
}

TEST_HARNESS_MAIN
