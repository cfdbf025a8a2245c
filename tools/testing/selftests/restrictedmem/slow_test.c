// SPDX-License-Identifier: GPL-2.0
/*
 * A consumer that takes ten seconds over a callback. Whoever has to do with the same
 * file waits, and can be interrupted; nobody else notices, and the kernel does not
 * take those who wait for tasks that hang. Whoever ends something waits, too, and
 * ends all of it, whatever signals come.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "load.h"
#include "test_consumer.h"

#define PAGES 64
#define SLOW_MS 10000
#define SHRD RMTEST_SHARED

#define HUNG "/proc/sys/kernel/hung_task_"

/* What is slow: a consumer of its own for each, all of them at the same time. */
static const struct {
	struct rmtest_behaviour behaviour;
	size_t counter;
	int what;
} kinds[] = {
	{
		.behaviour = { .prepare_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, prepares),
		.what = CALL_PUNCH,
	}, {
		.behaviour = { .start_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, starts),
		.what = CALL_PUNCH,
	}, {
		.behaviour = { .populate_delay_ms = SLOW_MS },
		.counter = offsetof(struct rmtest_counters, populates),
		.what = CALL_GET,
	},
};

#define WAITING 3

struct kind {
	int fd, consumer;
	struct rm_call slow, waiting[WAITING];
};

FIXTURE(slow) {
	int other;
	struct kind kinds[ARRAY_SIZE(kinds)];
	long long timeout;	/* after which the kernel calls a task hung; -1: never */
};

FIXTURE_SETUP(slow)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->other = new_consumer();
	ASSERT_LE(0, self->other);
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];
		int id;

		kind->consumer = new_consumer();
		ASSERT_LE(0, kind->consumer);
		kind->fd = new_sized_file(PAGES * page_size());
		ASSERT_LE(0, kind->fd);
		id = rm_bind(kind->consumer, kind->fd, 0, 8, SHRD);
		ASSERT_LT(0, id);
		kind->slow = (struct rm_call) {
			.what = kinds[i].what, .fd = kind->fd, .end = 4,
			.consumer = kind->consumer, .id = id,
		};
		kind->waiting[0] = (struct rm_call) {
			.what = CALL_BIND, .consumer = self->other, .fd = kind->fd, .end = 8,
		};
		kind->waiting[1] = (struct rm_call) {
			.what = CALL_RESERVE, .fd = kind->fd, .start = 16, .end = PAGES,
		};
		kind->waiting[2] = (struct rm_call) {
			.what = CALL_PUNCH, .fd = kind->fd, .start = 8, .end = 16,
		};
	}
	self->timeout = read_number(HUNG "timeout_secs");
	if (self->timeout >= 0)
		ASSERT_EQ(0, write_text(HUNG "timeout_secs", "2"));
}

FIXTURE_TEARDOWN(slow)
{
	char text[32];

	if (self->timeout >= 0) {
		snprintf(text, sizeof(text), "%lld", self->timeout);
		write_text(HUNG "timeout_secs", text);
	}
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		close(self->kinds[i].consumer);
		close(self->kinds[i].fd);
	}
	close(self->other);
}

/* All that can be done with a file, by the slow consumer and somebody else. */
static bool works(int slow, int other)
{
	int fd = new_sized_file(PAGES * page_size());
	int id = rm_bind(other, fd, 0, PAGES, SHRD), slow_id;
	char bytes[page_size()];
	bool all;
	long pages;

	memset(bytes, 0x21, sizeof(bytes));
	all = id > 0 && !reserve(fd, 0, 16) && rm_get(other, id, 20) > 0 &&
	      !punch(fd, 0, 21) && !rm_unbind(other, id) &&
	      !load_pages(fd, 3, 4, bytes, &pages);
	slow_id = rm_bind(slow, fd, 0, 8, SHRD);
	all = all && slow_id > 0 && rm_look(slow, slow_id, 3) == 0x21 &&
	      !rm_unbind(slow, slow_id);
	close(fd);
	return all;
}

TEST_F_TIMEOUT(slow, holds_up_nobody_else, 240)
{
	long long hung = read_number(HUNG "detect_count");
	struct timespec before;
	int rounds = 0;

	if (self->timeout < 0)
		TH_LOG("this kernel does not look for tasks that hang");
	for (int i = 0; i < ARRAY_SIZE(kinds); i++)
		ASSERT_EQ(0, rm_behave(self->kinds[i].consumer, kinds[i].behaviour));
	clock_gettime(CLOCK_MONOTONIC, &before);
	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];

		ASSERT_EQ(0, rm_call_start(&kind->slow));
		ASSERT_TRUE(rm_wait(kind->consumer, kinds[i].counter, 1));
		for (int call = 0; call < WAITING; call++)
			ASSERT_EQ(0, rm_call_start(&kind->waiting[call]));
	}

	/* As often as fits into the time that the callbacks certainly take. */
	for (; rm_ms_since(&before) < SLOW_MS * 9 / 10; rounds++) {
		for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
			ASSERT_TRUE(works(self->kinds[i].consumer, self->other));
			ASSERT_TRUE(!self->kinds[i].slow.done ||
				    rm_ms_since(&before) >= SLOW_MS);
		}
		rm_sleep_ms(200);
	}
	EXPECT_LT(2, rounds)
		TH_LOG("%d rounds", rounds);

	for (int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct kind *kind = &self->kinds[i];

		EXPECT_NE(-1, rm_call_end(&kind->slow));
		EXPECT_LE(SLOW_MS, rm_ms_since(&before));
		for (int call = 0; call < WAITING; call++) {
			EXPECT_NE(-1, rm_call_end(&kind->waiting[call]))
				TH_LOG("%d, call %d: %s", i, call,
				       strerror(kind->waiting[call].error));
		}
	}
	EXPECT_EQ(hung, read_number(HUNG "detect_count"))
		TH_LOG("nobody hangs");
}

/*
 * What has no way to fail cannot be interrupted, either. Each has eight pages of its
 * own behind those of the slow consumer, and does what it does in a child.
 */
enum ending { CLOSES, UNBINDS, QUARANTINES, ENDINGS };

static int first_of(int ending)
{
	return 8 * (ending + 1);
}

FIXTURE(deaf) {
	int fd, slow, slow_id, consumers[ENDINGS], ids[ENDINGS];
	pid_t children[ENDINGS];
};

FIXTURE_VARIANT(deaf) {
	int kind;
};

FIXTURE_VARIANT_ADD(deaf, behind_prepare) { .kind = 0 };

FIXTURE_VARIANT_ADD(deaf, behind_start) { .kind = 1 };

FIXTURE_VARIANT_ADD(deaf, behind_populate) { .kind = 2 };

FIXTURE_SETUP(deaf)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->fd = new_sized_file(PAGES * page_size());
	ASSERT_LE(0, self->fd);
	self->slow = new_consumer();
	ASSERT_LE(0, self->slow);
	self->slow_id = rm_bind(self->slow, self->fd, 0, 8, SHRD);
	ASSERT_LT(0, self->slow_id);
	for (int i = 0; i < ENDINGS; i++) {
		int consumer = new_consumer(), start = first_of(i), end = first_of(i + 1);

		ASSERT_LE(0, consumer);
		self->consumers[i] = consumer;
		self->ids[i] = rm_bind(consumer, self->fd, start, end, SHRD);
		ASSERT_LT(0, self->ids[i]);
		ASSERT_EQ(0, rm_fill(consumer, self->ids[i], start, end, 0x21));
	}
}

FIXTURE_TEARDOWN(deaf)
{
	for (int i = 0; i < ENDINGS; i++)
		close(self->consumers[i]);
	close(self->slow);
	close(self->fd);
}

static pid_t start_ending(int what, int consumer, int id)
{
	pid_t child = fork();

	if (child)
		return child;
	if (what == UNBINDS)
		rm_unbind(consumer, id);
	else if (what == QUARANTINES)
		rm_quarantine(consumer, id, first_of(what), first_of(what + 1));
	else
		pause();	/* closes when it dies */
	_exit(0);
}

/* Waits until a process sleeps in a way that no signal ends. */
static bool sleeps_deeply(pid_t pid)
{
	char path[64], state;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int ms = 0; ms < 20000; ms += 5) {
		FILE *file = fopen(path, "r");

		if (!file)
			return false;
		if (fscanf(file, "%*d %*s %c", &state) != 1)
			state = '?';
		fclose(file);
		if (state == 'D')
			return true;
		rm_sleep_ms(5);
	}
	return false;
}

/* Whether nobody has the pages, so that somebody else can. */
static bool nobody_has(int fd, uint64_t start, uint64_t end)
{
	int consumer = new_consumer(), id = rm_bind(consumer, fd, start, end, RMTEST_EXCLUSIVE);

	close(consumer);
	return id > 0;
}

TEST_F_TIMEOUT(deaf, ends_all_of_it_and_then_dies, 120)
{
	struct rmtest_behaviour behaviour = kinds[variant->kind].behaviour;
	struct rm_call slow = {
		.what = kinds[variant->kind].what, .fd = self->fd, .end = 4,
		.consumer = self->slow, .id = self->slow_id,
	};
	long long hung = read_number(HUNG "detect_count");
	struct timespec before;
	int status;

	/* For as long as it takes. */
	behaviour.prepare_delay_ms *= 10;
	behaviour.start_delay_ms *= 10;
	behaviour.populate_delay_ms *= 10;
	ASSERT_EQ(0, rm_behave(self->slow, behaviour));
	ASSERT_EQ(0, rm_call_start(&slow));
	ASSERT_TRUE(rm_wait(self->slow, kinds[variant->kind].counter, 1));
	for (int i = 0; i < ENDINGS; i++) {
		self->children[i] = start_ending(i, self->consumers[i], self->ids[i]);
		ASSERT_LT(0, self->children[i]);
		if (i != CLOSES)
			continue;
		/* The first child has the last descriptor. */
		close(self->consumers[i]);
		self->consumers[i] = -1;
	}
	for (int i = 0; i < ENDINGS; i++) {
		EXPECT_TRUE(i == CLOSES || sleeps_deeply(self->children[i]))
			TH_LOG("ending %d waits", i);
		ASSERT_EQ(0, kill(self->children[i], SIGKILL));
		EXPECT_TRUE(sleeps_deeply(self->children[i]))
			TH_LOG("ending %d waits, killed or not", i);
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	while (rm_ms_since(&before) < 1000) {
		for (int i = 0; i < ENDINGS; i++) {
			ASSERT_EQ(0, waitpid(self->children[i], &status, WNOHANG))
				TH_LOG("ending %d: status 0x%x", i, status);
		}
		rm_sleep_ms(50);
	}
	EXPECT_FALSE(slow.done);

	EXPECT_EQ(0, rm_continue(self->slow));
	EXPECT_NE(-1, rm_call_end(&slow));
	for (int i = 0; i < ENDINGS; i++) {
		ASSERT_EQ(self->children[i], waitpid(self->children[i], &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("ending %d: status 0x%x", i, status);
	}
	EXPECT_TRUE(nobody_has(self->fd, first_of(UNBINDS), first_of(UNBINDS + 1)));
	EXPECT_TRUE(nobody_has(self->fd, first_of(CLOSES), first_of(CLOSES + 1)));
	EXPECT_FALSE(nobody_has(self->fd, first_of(QUARANTINES), first_of(QUARANTINES + 1)))
		TH_LOG("which ends no binding");
	EXPECT_EQ(8 * page_size() / 1024, fdinfo_of(self->fd, "quarantined:"));
	EXPECT_EQ(0, rm_look(self->consumers[QUARANTINES], self->ids[QUARANTINES],
			     first_of(QUARANTINES)))
		TH_LOG("new memory");
	EXPECT_EQ(hung, read_number(HUNG "detect_count"))
		TH_LOG("nobody hangs");
	BEHAVE(self->slow, .flags = 0);
	EXPECT_ALLOWED(punch(self->fd, 0, PAGES), "all goes on");
	EXPECT_EQ(0, pages_of(self->fd));
}

TEST_HARNESS_MAIN
