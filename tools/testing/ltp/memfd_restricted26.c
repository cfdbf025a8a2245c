// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that RMFD_MBIND says on which node of the machine memory of a range is
 * allocated, by the rules of mbind():
 *
 * - what is loaded afterwards is there, and what was there before stays
 * - EINVAL for modes and nodes that mbind() refuses, a range that is empty, not of
 *   whole pages or not inside the size, a flag, and what is reserved
 * - EFAULT for nodes that cannot be read
 * - EOPNOTSUPP from a kernel that knows no nodes
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <linux/mempolicy.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "memfd_restricted.h"

#define PAGES	8
#define NODES	((int)sizeof(long) * 8)

static int fd = -1;
static off_t page, size;
static char *buf;
static unsigned long nodes;
static bool have_nodes;

static struct rmfd_mbind mbind_of(off_t offset, off_t len, int mode)
{
	return (struct rmfd_mbind) {
		.offset = offset,
		.len = len,
		.nodemask = (unsigned long)&nodes,
		.maxnode = NODES + 1,
		.mode = mode,
		.size = sizeof(struct rmfd_mbind),
	};
}

static void load_page(off_t offset)
{
	struct rmfd_load load = {
		.offset = offset,
		.len = page,
		.addr = (unsigned long)buf,
		.size = sizeof(load),
	};

	SAFE_IOCTL(fd, RMFD_LOAD, &load);
}

/* The only node that the file has memory on. */
static int node_of_memory(void)
{
	char path[64];
	int node;

	sprintf(path, "/proc/self/fdinfo/%d", fd);
	SAFE_FILE_LINES_SCANF(path, "present-node-%d:", &node);

	return node;
}

static void on_each_node(void)
{
	struct rmfd_mbind mbind = mbind_of(0, size, MPOL_BIND);
	int node, last = -1, tried = 0;

	for (node = 0; node < NODES; node++) {
		nodes = 1UL << node;
		if (ioctl(fd, RMFD_MBIND, &mbind)) {
			if (errno != EINVAL)
				tst_res(TFAIL | TERRNO, "RMFD_MBIND to node %d", node);
			continue;
		}
		tried++;
		if (last >= 0)
			TST_EXP_EQ_LI(node_of_memory(), last);
		if (fallocate(fd, PUNCH, 0, size))
			tst_brk(TBROK | TERRNO, "fallocate() failed");
		load_page(0);
		TST_EXP_EQ_LI(node_of_memory(), node);
		last = node;
	}
	TST_EXP_EXPR(tried > 0, "%d nodes can be had", tried);

	mbind = (struct rmfd_mbind) {.len = size, .size = sizeof(mbind)};
	TST_EXP_PASS(ioctl(fd, RMFD_MBIND, &mbind), "MPOL_DEFAULT");
}

static void refuse(struct rmfd_mbind mbind, int exp_errno, const char *what)
{
	TST_EXP_FAIL(ioctl(fd, RMFD_MBIND, &mbind), exp_errno, "RMFD_MBIND with %s", what);
}

static void wrong_arguments(void)
{
	struct rmfd_mbind mbind;

	nodes = 1;
	refuse(mbind_of(0, page, 0xff), EINVAL, "a mode that nobody knows");
	refuse(mbind_of(0, page, MPOL_DEFAULT), EINVAL, "MPOL_DEFAULT and a node");
	refuse(mbind_of(1, page, MPOL_BIND), EINVAL, "part of a page as offset");
	refuse(mbind_of(0, page + 1, MPOL_BIND), EINVAL, "part of a page as length");
	refuse(mbind_of(0, 0, MPOL_BIND), EINVAL, "nothing");
	refuse(mbind_of(size, page, MPOL_BIND), EINVAL, "an offset beyond the size");
	refuse(mbind_of(0, size + page, MPOL_BIND), EINVAL, "more than the size");
	mbind = mbind_of(0, page, MPOL_BIND);
	mbind.flags = 1;
	refuse(mbind, EINVAL, "a flag");
	mbind = mbind_of(0, page, MPOL_BIND);
	mbind.reserved = 1;
	refuse(mbind, EINVAL, "what is reserved");
	mbind = mbind_of(0, page, MPOL_BIND);
	mbind.nodemask = -1UL << 20;
	refuse(mbind, EFAULT, "nodes in memory of the kernel");
	nodes = 0;
	refuse(mbind_of(0, page, MPOL_BIND), EINVAL, "no node");
}

static void (*tests[])(void) = {
	on_each_node,
	wrong_arguments,
};

static void run(unsigned int n)
{
	fd = new_file(size);
	nodes = 1;
	if (have_nodes)
		tests[n]();
	else
		refuse(mbind_of(0, page, MPOL_BIND), EOPNOTSUPP, "a node");
	SAFE_CLOSE(fd);
}

static void setup(void)
{
	become_variant();
	page = page_size();
	size = PAGES * page;
	have_nodes = !access("/sys/devices/system/node", F_OK);
	buf = SAFE_MMAP(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void cleanup(void)
{
	if (fd != -1)
		SAFE_CLOSE(fd);
}

static struct tst_test test = {
	.test = run,
	.tcnt = ARRAY_SIZE(tests),
	.setup = setup,
	.cleanup = cleanup,
	.test_variants = VARIANTS,
};
