/* SPDX-License-Identifier: GPL-2.0 */
/* Writes a device tree: no more than a test needs, and none that comes from elsewhere. */
#ifndef _SELFTESTS_RESTRICTEDMEM_DEVICE_TREE_H
#define _SELFTESTS_RESTRICTEDMEM_DEVICE_TREE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Where its parts are in the room for it. The names come last. */
#define TREE_HEADER 40
#define TREE_NODES 64
#define TREE_NAMES 0x800

struct tree {
	char *room;
	uint32_t nodes, names;
};

static inline void cell(char *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void next_cell(struct tree *tree, uint32_t value)
{
	cell(tree->room + tree->nodes, value);
	tree->nodes += sizeof(value);
}

/* Bytes, and as many zeroes as there are to the next cell. */
static inline void next_bytes(struct tree *tree, const void *bytes, uint32_t len)
{
	memcpy(tree->room + tree->nodes, bytes, len);
	tree->nodes += (len + 3) & ~3U;
}

static inline struct tree new_tree(void *room, uint32_t size)
{
	struct tree tree = { .room = room, .nodes = TREE_NODES, .names = TREE_NAMES };

	memset(room, 0, size);
	return tree;
}

static inline void begin_node(struct tree *tree, const char *name)
{
	next_cell(tree, 1);
	next_bytes(tree, name, strlen(name) + 1);
}

static inline void end_node(struct tree *tree)
{
	next_cell(tree, 2);
}

static inline void property(struct tree *tree, const char *name, const void *bytes, uint32_t len)
{
	next_cell(tree, 3);
	next_cell(tree, len);
	next_cell(tree, tree->names - TREE_NAMES);
	next_bytes(tree, bytes, len);
	strcpy(tree->room + tree->names, name);
	tree->names += strlen(name) + 1;
}

static inline void words(struct tree *tree, const char *name, const char *value)
{
	property(tree, name, value, strlen(value) + 1);
}

static inline void cells(struct tree *tree, const char *name, uint32_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		values[i] = htobe32(values[i]);
	property(tree, name, values, count * sizeof(*values));
}

/* CELLS(tree, name, value...) */
#define CELLS(tree, name, ...) ({							\
	uint32_t values[] = { __VA_ARGS__ };						\
											\
	cells(tree, name, values, ARRAY_SIZE(values));					\
})

/* Its size is that of what is written: a reader may copy it to where there is no more room. */
static inline void finish_tree(struct tree *tree)
{
	uint32_t header[] = {
		0xd00dfeed, tree->names, TREE_NODES, TREE_NAMES, TREE_HEADER, 17, 16, 0,
		tree->names - TREE_NAMES, 0,
	};

	next_cell(tree, 9);
	header[9] = tree->nodes - TREE_NODES;
	for (unsigned int i = 0; i < ARRAY_SIZE(header); i++)
		cell(tree->room + i * sizeof(*header), header[i]);
}

#endif /* _SELFTESTS_RESTRICTEDMEM_DEVICE_TREE_H */
