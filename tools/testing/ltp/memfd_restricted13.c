// SPDX-License-Identifier: GPL-2.0-or-later

/*\
 * Verify that a restricted file has no other name or use than its descriptors:
 *
 * - opening it again through /proc: ENXIO, also from an O_PATH descriptor
 * - linkat(): EXDEV
 * - execveat(): EACCES
 * - name_to_handle_at(): EOPNOTSUPP
 * - open_by_handle_at() with a handle that was made up: ESTALE
 * - swapon(): ENXIO
 *
 * Without CAP_SYS_ADMIN or CAP_DAC_READ_SEARCH the last two are EPERM.
 */

#define _GNU_SOURCE

#include <stdio.h>
#include <sys/swap.h>
#include "memfd_restricted.h"
#include "lapi/execveat.h"
#include "lapi/fcntl.h"
#include "lapi/name_to_handle_at.h"

#define LINK "link"

static int fd = -1;
static off_t size;
static char path[64];

static void open_again(void)
{
	char path_of_path[64];
	int path_fd;

	TST_EXP_FAIL2(open(path, O_RDONLY), ENXIO);
	TST_EXP_FAIL2(open(path, O_WRONLY), ENXIO);
	TST_EXP_FAIL2(open(path, O_RDWR), ENXIO);
	TST_EXP_FAIL2(open(path, O_RDWR | O_TRUNC), ENXIO);

	path_fd = SAFE_OPEN(path, O_PATH);
	sprintf(path_of_path, "/proc/self/fd/%d", path_fd);
	TST_EXP_FAIL2(open(path_of_path, O_RDWR), ENXIO, "open() from O_PATH");
	TST_EXP_FAIL(fallocate(path_fd, PUNCH, 0, size), EBADF, "fallocate() with O_PATH");
	SAFE_CLOSE(path_fd);
}

static void name_it(void)
{
	TST_EXP_FAIL(linkat(AT_FDCWD, path, AT_FDCWD, LINK, AT_SYMLINK_FOLLOW), EXDEV);
	TST_EXP_FAIL(access(LINK, F_OK), ENOENT);
}

static void execute_it(void)
{
	static char *const none[] = {NULL};

	TST_EXP_FAIL(execveat(fd, "", none, none, AT_EMPTY_PATH), EACCES);
	TST_EXP_FAIL(execve(path, none, none), EACCES);
}

static void open_by_handle(void)
{
	int made_up_errno = is_root() ? ESTALE : EPERM;
	struct file_handle *handle;
	ino_t inode = inode_of(fd);
	int mount_id;

	handle = calloc(1, sizeof(*handle) + MAX_HANDLE_SZ);
	if (!handle)
		tst_brk(TBROK, "calloc() failed");

	handle->handle_bytes = MAX_HANDLE_SZ;
	TST_EXP_FAIL(name_to_handle_at(fd, "", handle, &mount_id, AT_EMPTY_PATH), EOPNOTSUPP);

	/* As tmpfs makes them: generation and inode number. */
	handle->handle_bytes = 12;
	handle->handle_type = 1;
	memcpy(handle->f_handle + 4, &inode, sizeof(inode));
	TST_EXP_FAIL2(open_by_handle_at(fd, handle, O_RDWR), made_up_errno);
	free(handle);
}

static void swap_to_it(void)
{
	if (access("/proc/swaps", F_OK))
		tst_res(TCONF, "This kernel does not swap");
	else
		TST_EXP_FAIL(swapon(path, 0), is_root() ? ENXIO : EPERM);
}

static void (*tests[])(void) = {
	open_again,
	name_it,
	execute_it,
	open_by_handle,
	swap_to_it,
};

static void run(unsigned int n)
{
	tests[n]();
	expect_unchanged(fd, size, size);
}

static void setup(void)
{
	become_variant();
	size = page_size();
	fd = new_reserved_file(size);
	sprintf(path, "/proc/self/fd/%d", fd);
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
	.needs_tmpdir = 1,
};
