// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files, users, capabilities and the cgroup of a test.
 */
#define _GNU_SOURCE
#define TST_NO_DEFAULT_MAIN
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "tst_test.h"

/* There is no file with the users in the test machine, and one user is enough. */
struct passwd *safe_getpwnam(const char *file, const int lineno, const char *name)
{
	static struct passwd nobody = {.pw_name = "nobody", .pw_uid = 65534, .pw_gid = 65534};

	if (strcmp(name, nobody.pw_name))
		tst_brk_(file, lineno, TBROK, "there is no user %s", name);
	return &nobody;
}

void safe_file_printf(const char *file, const int lineno, const char *path,
		      const char *fmt, ...)
{
	char text[128];
	va_list args;
	int fd, len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, text, len) != len)
		tst_brk_(file, lineno, TBROK | TERRNO, "cannot write '%s' to %s", text, path);
	close(fd);
}

void safe_file_lines_scanf(const char *file, const int lineno, const char *path,
			   const char *fmt, ...)
{
	bool found = false;
	char line[256];
	va_list args;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		tst_brk_(file, lineno, TBROK | TERRNO, "cannot open %s", path);
	while (!found && fgets(line, sizeof(line), f)) {
		va_start(args, fmt);
		found = vsscanf(line, fmt, args) > 0;
		va_end(args);
	}
	fclose(f);
	if (!found)
		tst_brk_(file, lineno, TBROK, "no '%s' in %s", fmt, path);
}

void tst_cap_drop_(const struct tst_cap *cap)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	TST_SAFE_(syscall(SYS_capget, &header, data));
	for (; cap->action == TST_CAP_DROP; cap++)
		data[CAP_TO_INDEX(cap->id)].effective &= ~CAP_TO_MASK(cap->id);
	TST_SAFE_(syscall(SYS_capset, &header, data));
}

#define CGROUPS "/sys/fs/cgroup"

struct tst_cg_group {
	char path[64];
};

static struct tst_cg_group group;
const struct tst_cg_group *const tst_cg = &group;

static bool enable(const char *controller)
{
	int fd = open(CGROUPS "/cgroup.subtree_control", O_WRONLY);
	bool enabled;

	if (fd < 0)
		return false;
	enabled = dprintf(fd, "+%s", controller) > 0;
	close(fd);
	return enabled;
}

/* The parent removes it and forks later children, so the name is made from its pid. */
static void name_group(pid_t pid)
{
	snprintf(group.path, sizeof(group.path), CGROUPS "/ltp-%d", pid);
}

bool tst_cg_make_(const char *const *controllers)
{
	for (; *controllers; controllers++)
		if (!enable(*controllers))
			return false;
	name_group(getppid());
	return mkdir(group.path, 0755) == 0;
}

void tst_cg_remove_(void)
{
	name_group(getpid());
	if (rmdir(group.path) && errno != ENOENT)
		tst_res(TWARN | TERRNO, "cannot remove %s", group.path);
}

const char *tst_cg_path_(const struct tst_cg_group *cg, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", cg->path, name);
	return path;
}
