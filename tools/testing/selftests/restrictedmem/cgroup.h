/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that need a memory cgroup.
 *
 * To be included after restrictedmem.h and text.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_CGROUP_H
#define _SELFTESTS_RESTRICTEDMEM_CGROUP_H

#include <sys/mman.h>
#include <sys/wait.h>

#define CGROUPS	"/sys/fs/cgroup"

static inline int set_in(const char *folder, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return write_text(path, text);
}

static inline long long number_in(const char *folder, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_number(path);
}

static inline long long key_in(const char *folder, const char *name, const char *key)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return read_key(path, key);
}

/*
 * A cgroup with a memory controller, named after @name and this process. On an
 * error @cgroup is empty.
 */
static inline bool new_cgroup(char *cgroup, size_t size, const char *name)
{
	set_in(CGROUPS, "cgroup.subtree_control", "+memory");
	snprintf(cgroup, size, CGROUPS "/%s-%d", name, getpid());
	if (mkdir(cgroup, 0700)) {
		cgroup[0] = '\0';
		return false;
	}
	if (number_in(cgroup, "memory.current") >= 0)
		return true;
	rmdir(cgroup);
	cgroup[0] = '\0';
	return false;
}

/* Who was killed in it may take a moment to leave it. */
static inline void remove_cgroup(const char *cgroup)
{
	for (int i = 0; rmdir(cgroup) && errno == EBUSY && i < 100; i++)
		usleep(20000);
}

/*
 * Takes memory of its own in the cgroup: the status it ends with.
 *
 * It asks for the memory and waits a little if there is none. Who just touches it
 * tries again at once, and each time the kernel writes a page about it to its log.
 */
static inline int take(const char *cgroup, size_t size, const char *adjust)
{
	pid_t child = fork();
	int status;

	if (!child) {
		char *memory;

		if (set_in("/proc/self", "oom_score_adj", adjust) ||
		    set_in(cgroup, "cgroup.procs", "0"))
			_exit(1);
		memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED)
			_exit(2);
		while (madvise(memory, size, MADV_POPULATE_WRITE)) {
			if (errno != ENOMEM)
				_exit(3);
			usleep(50000);
		}
		_exit(0);
	}
	return waitpid(child, &status, 0) == child ? status : -1;
}

/* Whether the cgroup has less than this, now or a little later. */
static inline bool falls_below(const char *cgroup, long long bytes)
{
	for (int i = 0; i < 200; i++) {
		if (number_in(cgroup, "memory.current") < bytes)
			return true;
		usleep(50000);
	}
	return false;
}

#endif /* _SELFTESTS_RESTRICTEDMEM_CGROUP_H */
