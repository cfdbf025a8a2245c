// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation of every operation fails once, in turn: the operation says
 * ENOMEM and has changed nothing, or did without; and it works at the next try.
 * That nothing is lost on the way is for kmemleak to say.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statfs.h>

#include "../kselftest_harness.h"

#include "restrictedmem.h"
#include "text.h"
#include "collapse.h"
#include "load.h"
#include "test_consumer.h"

#define FAIL_NTH "/proc/thread-self/fail-nth"
#define DEBUG "/sys/kernel/debug/"
#define LARGE 512
#define PAGES (3 * LARGE)

/* More than any operation has, so that a loop that does not end fails. */
#define MAX_NTH 2000

/*
 * What the allocator has at hand varies, and with it which allocation is the n-th:
 * one pass does not meet each of them.
 */
#define PASSES 4

/* Let any allocation fail, and do not print a trace for each. */
static int prepare_kernel(void)
{
	static const char * const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		snprintf(path, sizeof(path), DEBUG "%s", settings[i][0]);
		if (write_text(path, settings[i][1]))
			return -1;
	}
	return 0;
}

/* What the operations work on. */
struct scene {
	int fd, a, b;		/* the file, two consumers */
	int id, other_id;	/* their bindings of the first two thirds */
	int mount;		/* a tmpfs */
	int source;		/* a file of a page, to load from */
	int result;		/* a descriptor or binding that the operation made */
};

/* Pages 0 and 1 are present, with contents; two thirds are bound by both. */
static int set_scene(struct scene *scene, unsigned int flags)
{
	scene->result = -1;
	scene->fd = memfd_restricted(flags, -1);
	scene->mount = open("/dev/shm", O_PATH | O_DIRECTORY);
	scene->source = memfd_create("source", 0);
	if (ftruncate(scene->source, page_size()))
		return -1;
	scene->a = new_consumer();
	scene->b = new_consumer();
	if (scene->fd < 0 || ftruncate(scene->fd, PAGES * page_size()))
		return -1;
	scene->id = rm_bind(scene->a, scene->fd, 0, 2 * LARGE, RMTEST_SHARED);
	scene->other_id = rm_bind(scene->b, scene->fd, 0, 2 * LARGE, RMTEST_SHARED);
	if (scene->id < 0 || scene->other_id < 0)
		return -1;
	return rm_fill(scene->a, scene->id, 0, 2, 0x5a);
}

static void clear_scene(struct scene *scene)
{
	close(scene->a);
	close(scene->b);
	close(scene->fd);
	close(scene->mount);
	close(scene->source);
}

static int op_create(struct scene *scene)
{
	scene->result = memfd_restricted(RMFD_CLOEXEC, -1);
	return scene->result;
}

static int op_create_large(struct scene *scene)
{
	scene->result = memfd_restricted(RMFD_HUGEPAGE, -1);
	return scene->result;
}

static int op_create_from_mount(struct scene *scene)
{
	scene->result = memfd_restricted(RMFD_USERMNT, scene->mount);
	return scene->result;
}

static int op_reserve(struct scene *scene)
{
	return reserve(scene->fd, 2 * LARGE + 3, 2 * LARGE + 40);
}

static int op_bind(struct scene *scene)
{
	scene->result = rm_bind(scene->b, scene->fd, 2 * LARGE + 1, 2 * LARGE + 9,
				RMTEST_EXCLUSIVE);
	return scene->result;
}

static int op_touch(struct scene *scene)
{
	return rm_get(scene->a, scene->id, LARGE + 300) < 0 ? -1 : 0;
}

static int op_punch(struct scene *scene)
{
	return punch(scene->fd, 4, 9);
}

static int op_load(struct scene *scene)
{
	static char contents[4096];
	long pages;

	return load_pages(scene->fd, 2 * LARGE + 3, 2 * LARGE + 4, contents, &pages);
}

static int op_load_fd(struct scene *scene)
{
	long pages;

	return load_pages_fd(scene->fd, 2 * LARGE + 3, 2 * LARGE + 4, scene->source, 0,
			     &pages);
}

static int op_collapse(struct scene *scene)
{
	long large;

	return collapse(scene->fd, 0, LARGE, &large);
}

static int op_seek(struct scene *scene)
{
	return lseek(scene->fd, 0, SEEK_DATA) < 0 ? -1 : 0;
}

static int op_unbind(struct scene *scene)
{
	return rm_unbind(scene->a, scene->id);
}

/*
 * The operation, one of whose allocations fails: the n-th. Was there such a one? -1: it
 * cannot be said.
 */
static int fail_nth(int nth, int (*operation)(struct scene *scene), struct scene *scene,
		    int *ret, int *error)
{
	int fail = open(FAIL_NTH, O_RDWR), failed = -1;
	char number[16], left[16] = {};

	if (fail < 0)
		return -1;
	snprintf(number, sizeof(number), "%d", nth);
	if (write(fail, number, strlen(number)) == (ssize_t)strlen(number)) {
		*ret = operation(scene);
		*error = errno;
		if (pread(fail, left, sizeof(left) - 1, 0) > 0 && pwrite(fail, "0", 1, 0) == 1)
			failed = !atoi(left);
	}
	close(fail);
	return failed;
}

FIXTURE(fault) {
};

FIXTURE_VARIANT(fault) {
	int (*operation)(struct scene *scene);
	unsigned int flags;
	/* An error that stands for ENOMEM, too. */
	int also;
	/* It has nothing to allocate, or does without. */
	bool must_succeed;
};

FIXTURE_VARIANT_ADD(fault, create)
{
	.operation = op_create,
};

FIXTURE_VARIANT_ADD(fault, create_large)
{
	.operation = op_create_large,
};

FIXTURE_VARIANT_ADD(fault, create_from_mount)
{
	.operation = op_create_from_mount,
	/* A mount with a limit says so when there is no memory for an inode. */
	.also = ENOSPC,
};

FIXTURE_VARIANT_ADD(fault, reserve)
{
	.operation = op_reserve,
};

FIXTURE_VARIANT_ADD(fault, reserve_large)
{
	.operation = op_reserve,
	.flags = RMFD_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(fault, bind)
{
	.operation = op_bind,
};

FIXTURE_VARIANT_ADD(fault, touch)
{
	.operation = op_touch,
};

FIXTURE_VARIANT_ADD(fault, touch_large)
{
	.operation = op_touch,
	.flags = RMFD_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(fault, punch)
{
	.operation = op_punch,
};

FIXTURE_VARIANT_ADD(fault, punch_large)
{
	.operation = op_punch,
	.flags = RMFD_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(fault, load)
{
	.operation = op_load,
};

FIXTURE_VARIANT_ADD(fault, load_large)
{
	.operation = op_load,
	.flags = RMFD_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(fault, load_fd)
{
	.operation = op_load_fd,
};

FIXTURE_VARIANT_ADD(fault, collapse)
{
	.operation = op_collapse,
};

FIXTURE_VARIANT_ADD(fault, seek)
{
	.operation = op_seek,
	.must_succeed = true,
};

FIXTURE_VARIANT_ADD(fault, unbind)
{
	.operation = op_unbind,
	.must_succeed = true,
};

FIXTURE_SETUP(fault)
{
	if (access(FAIL_NTH, W_OK) || prepare_kernel())
		SKIP(return, "no fault injection in this kernel");
	if (!have_test_consumer())
		SKIP(return, NO_TEST_CONSUMER);
}

FIXTURE_TEARDOWN(fault)
{
}

TEST_F_TIMEOUT(fault, at_each_allocation, 280)
{
	int allocations = 0, failures = 0, spared = 0, passes = 0, nth;

	for (nth = 1; nth < MAX_NTH; nth++) {
		struct rmtest_counters before, after;
		int ret, error, failed;
		struct scene scene;
		long pages;

		ASSERT_EQ(0, set_scene(&scene, variant->flags));
		before = rm_counters(scene.b);
		pages = pages_of(scene.fd);

		failed = fail_nth(nth, variant->operation, &scene, &ret, &error);
		ASSERT_LE(0, failed);
		if (ret < 0) {
			ASSERT_TRUE(error_in(error, ENOMEM, variant->also, 0))
				TH_LOG("allocation %d: %s", nth, strerror(error));
			after = rm_counters(scene.b);
			ASSERT_FALSE(variant->must_succeed)
				TH_LOG("allocation %d", nth);
			ASSERT_EQ(pages, pages_of(scene.fd))
				TH_LOG("allocation %d", nth);
			ASSERT_EQ(before.bindings, after.bindings);
			ASSERT_EQ(after.starts, after.ends)
				TH_LOG("allocation %d", nth);
			ASSERT_EQ(0x5a, rm_look(scene.a, scene.id, 1))
				TH_LOG("allocation %d", nth);
			failures++;
			ASSERT_LE(0, variant->operation(&scene))
				TH_LOG("after allocation %d failed: %s", nth, strerror(errno));
		} else if (failed) {
			spared++;
		}
		if (scene.result >= 0 && variant->operation != op_bind)
			close(scene.result);
		clear_scene(&scene);
		if (failed) {
			allocations++;
			continue;
		}
		if (++passes == PASSES)
			break;
		nth = 0;
	}

	TH_LOG("%d allocations: %d failures, %d that it did without", allocations, failures,
	       spared);
	ASSERT_GT(MAX_NTH, nth);
	if (!variant->must_succeed)
		EXPECT_LT(0, failures + spared);
	/* Without a large page there are small ones. */
	if (!variant->must_succeed && !variant->flags)
		EXPECT_LT(0, failures);
}

#define MOUNT "/tmp/fault_test"

static long inodes_free(void)
{
	struct statfs st;

	return statfs(MOUNT, &st) ? -1 : (long)st.f_ffree;
}

TEST(a_mount_gets_back_what_a_failure_took)
{
	struct scene scene = {};
	int nth, failures = 0;
	long before;

	if (access(FAIL_NTH, W_OK) || prepare_kernel())
		SKIP(return, "no fault injection in this kernel");
	if (!have_restrictedmem())
		SKIP(return, NO_RESTRICTEDMEM);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP(return, "may not mount");
	if (mkdir(MOUNT, 0755))
		ASSERT_EQ(EEXIST, errno);
	ASSERT_EQ(0, mount("fault", MOUNT, "tmpfs", 0, "nr_inodes=8"));
	scene.mount = open(MOUNT, O_PATH | O_DIRECTORY);
	before = inodes_free();
	ASSERT_LT(0, before);

	for (nth = 1; nth < MAX_NTH; nth++) {
		int ret, error, failed;

		failed = fail_nth(nth, op_create_from_mount, &scene, &ret, &error);
		ASSERT_LE(0, failed);
		if (ret < 0) {
			ASSERT_TRUE(error_in(error, ENOMEM, ENOSPC, 0))
				TH_LOG("allocation %d: %s", nth, strerror(error));
			failures++;
		} else {
			ASSERT_EQ(before - 1, inodes_free());
			close(ret);
		}
		ASSERT_EQ(before, inodes_free())
			TH_LOG("allocation %d", nth);
		if (!failed)
			break;
	}
	ASSERT_GT(MAX_NTH, nth);
	EXPECT_LT(0, failures);
	close(scene.mount);
	EXPECT_EQ(0, umount(MOUNT))
		TH_LOG("nobody uses it any more");
}

TEST_HARNESS_MAIN
