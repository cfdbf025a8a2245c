/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Contents that are recognised wherever they turn up: a byte that is in no memory
 * in such numbers unless it came from the file.
 *
 * To be included after restrictedmem.h and test_consumer.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_SECRET_H
#define _SELFTESTS_RESTRICTEDMEM_SECRET_H

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define SECRET		0xd7

/* How often a byte is there 64 times in a row. */
static inline long runs_of(unsigned char byte, const void *memory, size_t len)
{
	const unsigned char *at = memory, *end = at + len;
	long found = 0;
	size_t run;

	while ((at = memchr(at, byte, end - at))) {
		for (run = 0; at < end && *at == byte; at++)
			run++;
		found += run >= 64;
	}
	return found;
}

/*
 * Lets another program write it all over the first pages of a file, so that none
 * of it has ever been in the memory of this one.
 */
static inline int write_secret(int consumer, int id, uint64_t pages)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(rm_fill(consumer, id, 0, pages, SECRET) ? 1 : 0);
	return child == waitpid(child, &status, 0) && !status ? 0 : -1;
}

/* Where a process has memory of its own that can be written to; false at the end. */
static inline bool next_area(FILE *maps, unsigned long *start, unsigned long *end)
{
	char line[512], perms[8];

	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", start, end, perms) == 3 &&
		    perms[0] == 'r' && perms[1] == 'w')
			return true;
	return false;
}

/* Those in all memory of this process; -1 for an error. */
static inline long secrets_in_memory(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	long found = 0;

	if (!maps)
		return -1;
	while (next_area(maps, &start, &end))
		found += runs_of(SECRET, (void *)start, end - start);
	fclose(maps);
	return found;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_SECRET_H */
