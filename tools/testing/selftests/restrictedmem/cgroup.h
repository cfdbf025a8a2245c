/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the tests that need a memory cgroup.
 *
 * To be included after restrictedmem.h and text.h.
 */
#ifndef _SELFTESTS_RESTRICTEDMEM_CGROUP_H
#define _SELFTESTS_RESTRICTEDMEM_CGROUP_H

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

#endif /* _SELFTESTS_RESTRICTEDMEM_CGROUP_H */
