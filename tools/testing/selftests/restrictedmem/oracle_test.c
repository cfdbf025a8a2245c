// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations against a model, as fsx does it for filesystems: who may bind
 * what, what is present, what is in it, and who is told. Several processes work
 * on one file, each in a part of its own, so that each knows what must come out.
 *
 * ORACLE_SEED=n repeats a run that failed, ORACLE_STEPS=n makes it longer.
 */
#define _GNU_SOURCE
#include <sys/wait.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "collapse.h"
#include "test_consumer.h"

#define LARGE 512		/* pages of a large folio */
#define PART (2 * LARGE)	/* pages of one process */
#define USED 96			/* of those, the ones with small pages */
#define CONSUMERS 3
#define BINDINGS 16

enum state { HOLE, RESERVED, PRESENT };

struct binding {
	int id, consumer, start, end;
	bool exclusive;
};

struct world {
	unsigned int seed;
	bool large, alone;
	int fd, first, used, bindings, step;
	int consumers[CONSUMERS];
	/* What each consumer must have counted. */
	uint64_t populates[CONSUMERS], starts[CONSUMERS];
	struct binding binding[BINDINGS];
	/* With large folios a page may be further than it says, never less far. */
	enum state state[PART];
	unsigned char byte[PART];
	bool wrong;
};

__printf(2, 3)
static void expect_failed(struct world *world, const char *format, ...)
{
	va_list list;

	if (!world->wrong) {
		fprintf(stderr, "# part at page %d, step %d: ", world->first, world->step);
		va_start(list, format);
		vfprintf(stderr, format, list);
		va_end(list);
		fprintf(stderr, " (errno %d)\n", errno);
	}
	world->wrong = true;
}

static int below(struct world *world, int n)
{
	return rand_r(&world->seed) % n;
}

/* A range, mostly a short one. */
static void choose_range(struct world *world, int *start, int *end)
{
	int length = below(world, 4) ? 16 : world->used;

	*start = below(world, world->used);
	*end = *start + 1 + below(world, length);
	if (*end > world->used)
		*end = world->used;
}

static struct binding *choose_binding(struct world *world)
{
	return world->bindings ? &world->binding[below(world, world->bindings)] : NULL;
}

static bool overlaps(const struct binding *binding, int start, int end)
{
	return binding->start < end && start < binding->end;
}

/* The error that the rules demand, or 0. */
static int error_of_bind(struct world *world, int consumer, int start, int end, bool exclusive)
{
	bool own = false, busy = false;

	for (int i = 0; i < world->bindings; i++) {
		const struct binding *other = &world->binding[i];

		if (!overlaps(other, start, end))
			continue;
		own |= other->consumer == consumer;
		busy |= exclusive || other->exclusive;
	}
	return own ? EEXIST : busy ? EBUSY : 0;
}

static void op_bind(struct world *world)
{
	int consumer = below(world, CONSUMERS), start, end, error, id;
	bool exclusive = !below(world, 4);

	if (world->bindings == BINDINGS)
		return;
	choose_range(world, &start, &end);
	error = error_of_bind(world, consumer, start, end, exclusive);
	id = rm_bind(world->consumers[consumer], world->fd, world->first + start,
		     world->first + end, exclusive ? RMTEST_EXCLUSIVE : RMTEST_SHARED);
	if (error ? id >= 0 || !error_in(errno, EEXIST, EBUSY, 0) : id < 0) {
		expect_failed(world, "bind of %d-%d gives %d, expected error %d", start, end,
			      id, error);
		return;
	}
	if (!error)
		world->binding[world->bindings++] =
			(struct binding){ id, consumer, start, end, exclusive };
}

static void op_unbind(struct world *world)
{
	struct binding *binding = choose_binding(world);

	if (!binding)
		return;
	if (rm_unbind(world->consumers[binding->consumer], binding->id))
		expect_failed(world, "unbind of %d-%d", binding->start, binding->end);
	*binding = world->binding[--world->bindings];
}

/* A page becomes present, and everybody who has it bound is told. */
static void touched(struct world *world, int page)
{
	if (world->state[page] == PRESENT)
		return;
	world->state[page] = PRESENT;
	for (int i = 0; i < world->bindings; i++)
		if (overlaps(&world->binding[i], page, page + 1))
			world->populates[world->binding[i].consumer]++;
}

static void op_look(struct world *world)
{
	struct binding *binding = choose_binding(world);
	int page, byte;

	if (!binding)
		return;
	page = binding->start + below(world, binding->end - binding->start);
	byte = rm_look(world->consumers[binding->consumer], binding->id, world->first + page);
	if (byte != world->byte[page])
		expect_failed(world, "page %d holds %d, expected %d", page, byte,
			      world->byte[page]);
	touched(world, page);
}

static void op_fill(struct world *world)
{
	struct binding *binding = choose_binding(world);
	int page;

	if (!binding)
		return;
	page = binding->start + below(world, binding->end - binding->start);
	world->byte[page] = 1 + below(world, 255);
	if (rm_fill(world->consumers[binding->consumer], binding->id, world->first + page,
		    world->first + page + 1, world->byte[page]))
		expect_failed(world, "cannot fill page %d", page);
	touched(world, page);
}

static void op_reserve(struct world *world)
{
	int start, end;

	choose_range(world, &start, &end);
	if (reserve(world->fd, world->first + start, world->first + end))
		expect_failed(world, "reserve of %d-%d", start, end);
	for (; start < end; start++)
		if (world->state[start] == HOLE)
			world->state[start] = RESERVED;
}

/* Consumers that have something in the range, as a mask. */
static unsigned int holders(struct world *world, int start, int end)
{
	unsigned int mask = 0;

	for (int i = 0; i < world->bindings; i++)
		if (overlaps(&world->binding[i], start, end))
			mask |= 1 << world->binding[i].consumer;
	return mask;
}

static void op_punch(struct world *world)
{
	struct rmtest_behaviour refuse = { .prepare_errno = ETXTBSY }, agree = {};
	int start, end, refuser = below(world, 4) ? -1 : below(world, CONSUMERS), ret;
	unsigned int mask;
	bool refused;

	choose_range(world, &start, &end);
	mask = holders(world, start, end);
	refused = refuser >= 0 && mask & 1 << refuser;
	if (refuser >= 0)
		rm_behave(world->consumers[refuser], refuse);
	ret = punch(world->fd, world->first + start, world->first + end);
	if (refused ? !ret || errno != ETXTBSY : ret)
		expect_failed(world, "punch of %d-%d gives %d, %s", start, end, ret,
			      refused ? "though it is refused" : "though nobody minds");
	if (refuser >= 0)
		rm_behave(world->consumers[refuser], agree);
	if (ret)
		return;
	for (int i = 0; i < CONSUMERS; i++)
		if (mask & 1 << i)
			world->starts[i]++;
	for (; start < end; start++) {
		world->state[start] = HOLE;
		world->byte[start] = 0;
	}
}

/* Callbacks came in a number that the model does not know. */
static void recount(struct world *world)
{
	for (int i = 0; i < CONSUMERS; i++) {
		struct rmtest_counters counters = rm_counters(world->consumers[i]);

		world->populates[i] = counters.populates;
		world->starts[i] = counters.starts;
	}
}

/* Contents stay, and whoever uses some of it cannot be in the middle of a large page. */
static void op_collapse(struct world *world)
{
	bool edge = false;
	long large;

	if (!world->large)
		return;
	for (int i = 0; i < world->bindings; i++)
		edge |= world->binding[i].start % LARGE || world->binding[i].end % LARGE;
	if (collapse(world->fd, world->first, world->first + PART, &large) &&
	    !error_in(errno, EAGAIN, ENOMEM, edge ? EBUSY : 0, 0))
		expect_failed(world, "collapse with%s an edge inside", edge ? "" : "out");
	if (large < 0 || large > PART || large % LARGE)
		expect_failed(world, "%ld pages are said to be large", large);
	recount(world);
}

/* A consumer does not want a page; then it is as it was. */
static void op_fail_populate(struct world *world)
{
	struct rmtest_behaviour fail = { .populate_errno = EDOM }, agree = {};
	struct binding *binding = choose_binding(world);
	int page, refuser = below(world, CONSUMERS);
	long pfn;
	bool fails;

	if (!binding)
		return;
	page = binding->start + below(world, binding->end - binding->start);
	fails = world->state[page] != PRESENT &&
		holders(world, page, page + 1) & 1 << refuser;
	rm_behave(world->consumers[refuser], fail);
	errno = 0;
	pfn = rm_get(world->consumers[binding->consumer], binding->id, world->first + page);
	rm_behave(world->consumers[refuser], agree);
	if (fails && pfn < 0 && errno == EDOM) {
		/* Who was told before hears of it; how many is a matter of order. */
		recount(world);
		return;
	}
	/* A large folio may have come with a neighbour. */
	if (pfn < 0 || (fails && !world->large))
		expect_failed(world, "get of page %d gives %ld, expected to %s", page, pfn,
			      fails ? "fail" : "succeed");
	touched(world, page);
}

/* What user space can see of all that. */
static void check(struct world *world)
{
	long pages = 0;

	for (int page = 0; page < world->used; page++) {
		off_t at = (world->first + page) * page_size();
		off_t data = lseek(world->fd, at, SEEK_DATA);
		bool present = data == at;
		bool expected = world->state[page] == PRESENT;

		if (present != expected && !(world->large && present))
			expect_failed(world, "page %d is %spresent", page,
				      present ? "" : "not ");
		pages += world->state[page] != HOLE;
	}
	if (world->alone && !world->large && pages != pages_of(world->fd))
		expect_failed(world, "%ld pages of memory, expected %ld",
			      pages_of(world->fd), pages);

	for (int i = 0; i < CONSUMERS; i++) {
		struct rmtest_counters counters = rm_counters(world->consumers[i]);

		if (counters.broken || counters.active)
			expect_failed(world, "consumer %d: %llu broken", i, counters.broken);
		if (counters.starts != world->starts[i] || counters.ends != counters.starts)
			expect_failed(world, "consumer %d: %llu starts, %llu ends, expected %lu",
				      i, counters.starts, counters.ends, world->starts[i]);
		if (!world->large && counters.populates != world->populates[i])
			expect_failed(world, "consumer %d: %llu populates, expected %lu", i,
				      counters.populates, world->populates[i]);
	}
}

/* Contents, by a consumer who was not there before. */
static void check_contents(struct world *world)
{
	int consumer = new_consumer(), id;

	while (world->bindings)
		op_unbind(world);
	id = rm_bind(consumer, world->fd, world->first, world->first + world->used,
		     RMTEST_EXCLUSIVE);
	for (int page = 0; page < world->used; page++)
		if (rm_look(consumer, id, world->first + page) != world->byte[page])
			expect_failed(world, "page %d is not %d in the end", page,
				      world->byte[page]);
	close(consumer);
}

static void (*const operations[])(struct world *world) = {
	op_bind, op_bind, op_bind, op_unbind, op_look, op_look, op_look, op_fill,
	op_fill, op_fill, op_reserve, op_punch, op_punch, op_fail_populate,
	op_collapse,
};

/* One process: true if everything came out as the model says. */
static bool live(struct world *world, int steps)
{
	for (int i = 0; i < CONSUMERS; i++)
		world->consumers[i] = new_consumer();
	for (world->step = 0; world->step < steps && !world->wrong; world->step++) {
		operations[below(world, ARRAY_SIZE(operations))](world);
		if (world->step % 16 == 15)
			check(world);
	}
	check(world);
	check_contents(world);
	for (int i = 0; i < CONSUMERS; i++)
		close(world->consumers[i]);
	return !world->wrong;
}

static long number_from(const char *name, long otherwise)
{
	const char *text = getenv(name);

	return text ? atol(text) : otherwise;
}

FIXTURE(oracle) {
	long seed, steps;
};

FIXTURE_VARIANT(oracle) {
	unsigned int flags;
	int processes;
};

FIXTURE_VARIANT_ADD(oracle, small) { .processes = 1 };
FIXTURE_VARIANT_ADD(oracle, small_together) { .processes = 4 };
FIXTURE_VARIANT_ADD(oracle, large) { .flags = RMFD_HUGEPAGE, .processes = 1 };
FIXTURE_VARIANT_ADD(oracle, large_together) { .flags = RMFD_HUGEPAGE, .processes = 4 };

FIXTURE_SETUP(oracle)
{
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
	self->seed = number_from("ORACLE_SEED", time(NULL));
	self->steps = number_from("ORACLE_STEPS", variant->processes > 1 ? 1000 : 2000);
}

FIXTURE_TEARDOWN(oracle)
{
}

TEST_F_TIMEOUT(oracle, agrees, 3600)
{
	int fd = memfd_restricted(variant->flags, -1), status;

	TH_LOG("ORACLE_SEED=%ld ORACLE_STEPS=%ld", self->seed, self->steps);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, variant->processes * PART * page_size()));
	for (int i = 0; i < variant->processes; i++) {
		struct world world = {
			.seed = self->seed + i,
			.large = variant->flags & RMFD_HUGEPAGE,
			.alone = variant->processes == 1,
			.fd = fd,
			.first = i * PART,
			.used = variant->flags & RMFD_HUGEPAGE ? PART : USED,
		};
		pid_t child = fork();

		ASSERT_LE(0, child);
		if (!child)
			_exit(!live(&world, self->steps));
	}
	for (int i = 0; i < variant->processes; i++) {
		ASSERT_LT(0, wait(&status));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
