/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that have to know where in the machine a frame is.
 *
 * To be included after restrictedmem.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_NODES_H
#define _SELFTESTS_RESTRICTEDMEM_NODES_H

#define BLOCKS	"/sys/devices/system/memory"
#define NODES	64

/* Frames that memory hotplug takes or leaves together; 0: there is none. */
static inline long frames_of_a_block(void)
{
	unsigned long bytes = 0;
	FILE *file = fopen(BLOCKS "/block_size_bytes", "r");

	if (!file)
		return 0;
	if (fscanf(file, "%lx", &bytes) != 1)
		bytes = 0;
	fclose(file);
	return bytes / page_size();
}

/* The node that a frame is on, or -1. */
static inline int node_of(long pfn)
{
	char path[96];

	for (int node = 0; node < NODES; node++) {
		snprintf(path, sizeof(path), BLOCKS "/memory%ld/node%d",
			 pfn / frames_of_a_block(), node);
		if (!access(path, F_OK))
			return node;
	}
	return -1;
}

/* The only node that this task gets memory from; -1 for any. */
static inline int take_from(int node)
{
	unsigned long nodes = 1UL << node;

	if (node < 0)
		return syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	return syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes));
}

#endif /* _SELFTESTS_RESTRICTEDMEM_NODES_H */
